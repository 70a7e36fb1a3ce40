"""A language model behind a real endpoint gives its opinion, or fails in one clear word."""

import json

import pytest

from realtime.analyst_llm import LlmAnalyst, LlmConfig, prompt
from realtime.call_history import CallHistory, Line
from realtime.errors import LanguageError
from tests.servers.chat import Answer, running_chat_endpoint

GOOD = {
    "summary": "The customer opened a savings plan with card 4539 1488 0343 6467.",
    "sentiment": "positive",
    "topics": ["savings plan"],
    "intents": ["open an account"],
    "compliance": "The agent promised returns.",
}
LINES = (Line(speaker="customer", text="My number is 4539 1488 0343 6467.", sentiment=0.1),)


def analyst(url: str, *, timeout_s: float = 5.0) -> LlmAnalyst:
    """An analyst that asks an endpoint."""
    return LlmAnalyst(LlmConfig(base_url=url, model="scripted", api_key="k", timeout_s=timeout_s))


@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n```"], ids=["bare", "fenced"])
async def test_opinion(fence: str) -> None:
    """What was said goes out masked, and what comes back is masked again."""
    with running_chat_endpoint([Answer(text=fence.format(json.dumps(GOOD)))]) as endpoint:
        asking = analyst(endpoint.url)
        opinion = await asking.opinion(LINES, CallHistory().analyse())
        await asking.close()
    assert opinion.masked()["compliance"] == "The agent promised returns."
    assert "4539" not in str(opinion.masked())
    (request,) = endpoint.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["key"] == "Bearer k"
    assert request["model"] == "scripted"
    assert "customer: My number is" in str(request["messages"])
    assert "4539" not in str(request["messages"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(Answer(text="I would rather not."), "an answer in another form", id="prose"),
        pytest.param(Answer(text='{"summary": 7}'), "an answer in another form", id="wrong-keys"),
        pytest.param(Answer(text="["  * 3000), "an answer in another form", id="nested"),
        pytest.param(Answer(status=401), "the endpoint failed or refused", id="refused"),
        pytest.param(Answer(status=500), "the endpoint failed or refused", id="failed"),
        pytest.param(Answer(delay_s=2.0), "no answer in time", id="slow"),
    ],
)  # fmt: skip
async def test_failures(answer: Answer, said: str) -> None:
    """Each failure is one fixed sentence without a word of the call."""
    with running_chat_endpoint([answer]) as endpoint:
        asking = analyst(endpoint.url, timeout_s=1.5)
        with pytest.raises(LanguageError) as caught:
            await asking.opinion(LINES, CallHistory().analyse())
        await asking.close()
    assert str(caught.value) == said


async def test_nobody_listens() -> None:
    """An endpoint that is away is a failure like any other."""
    asking = analyst("http://127.0.0.1:1/v1", timeout_s=3.0)
    with pytest.raises(LanguageError):
        await asking.opinion(LINES, CallHistory().analyse())
    await asking.close()


def test_prompt_is_bounded() -> None:
    """Of a long call the newest part is shown."""
    lines = [
        Line(speaker="agent", text=f"line {i} " + "word " * 200, sentiment=None) for i in range(99)
    ]
    shown = prompt(lines, CallHistory().analyse())
    assert len(shown) <= 12_000
    assert "line 98" in shown
    assert "line 1 " not in shown
