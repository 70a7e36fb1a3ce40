"""Names of hosts: which endings exist, so that "done.Then" is not taken for a web site.

Source: the country codes of ISO 3166-1 that the IANA root zone delegates, and its older or larger
generic endings. Endings that are English words or file endings count only where more speaks for
a host than the form (`is_doubtful`).
"""

from __future__ import annotations

import re

from rules.detectors.passage import word_set

_COUNTRIES = """ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn
bo br bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz
ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm
hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li
lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf
ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd
se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw
tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"""
_GENERIC = """com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel
cat asia post xxx app dev page blog shop store online site website tech cloud xyz club agency
academy art bank bike cafe camp care cash center chat church city clinic coach codes coffee company
computer consulting cool dental design digital direct directory doctor email energy engineering
events expert express family fashion finance financial fit fitness foundation fund fun gallery
games garden gift global group guide guru health help holdings homes hospital host hotel house inc
institute insure international investments kitchen land law lawyer legal life limited link live
llc loan loans love ltd market marketing media money network news ninja party partners parts photo
photos pizza plus press productions properties pub realty recipes rent repair report restaurant
reviews rocks run sale school science services show social software solutions space studio style
support systems team tips today tools top tours town toys trade training university vacations
ventures vet video villas vip vision watch wiki win wine work works world yoga zone
example test invalid localhost"""
_DOUBTFUL = word_set(
    """ac ad ai am as at be by do go id im in is it la ma me ms mt my na ne no pa pm re sc so st
    to tv us va cat plus work live love care cool help house land life
    money news party post press report run sale school show space style team test today tools top
    town trade video watch win works world zone name family fun games group health host"""
)
_OF_FILES = word_set("py md sh rs pl ps cc ml mm")
ENDINGS = frozenset((_COUNTRIES + " " + _GENERIC).split())

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
BARE_DOMAIN = re.compile(
    rf"(?<![\w@.\-/])(?P<host>(?:{_LABEL}\.){{1,6}}(?P<ending>[A-Za-z]{{2,24}}))(?![\w@-])"
    r"(?P<rest>(?::[0-9]{2,5})?(?:[/?][^\s<>\"\x00]*)?)"
)


def has_known_ending(host: str) -> bool:
    """Whether a host ends as hosts on the Internet do."""
    return host.rpartition(".")[2].casefold() in ENDINGS


def is_doubtful(host: str) -> bool:
    """Whether a host might as well be two words."""
    name, _, ending = host.rpartition(".")
    return ending.casefold() in _DOUBTFUL and "." not in name


def is_file(host: str) -> bool:
    """Whether a host might as well be the name of a file, such as "setup.py"."""
    name, _, ending = host.rpartition(".")
    return ending.casefold() in _OF_FILES and "." not in name
