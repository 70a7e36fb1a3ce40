// Plays the recordings of a call together, on the clock of the call.
//
// Each recording is a media element of its own, which streams: nothing is decoded whole. The first
// one that sounds leads, and the others follow it; where none sounds, the clock runs by itself.

const TICK_MS = 80;
const APART_S = 0.15; // more than this between two voices is heard

export class Transport extends EventTarget {
  /** @param {{src: string, start: number, duration: number}[]} sounds @param {number} duration */
  constructor(sounds, duration) {
    super();
    this.duration = duration;
    this.position = 0;
    this.playing = false;
    this.rate = 1;
    this.sounds = sounds.map((sound) => this.#opened(sound));
    this.timer = null;
    this.tickedAt = 0;
  }

  #opened(sound) {
    const audio = new Audio();
    // Nothing is fetched before somebody plays: what is fetched is noted as played.
    audio.preload = "none";
    const opened = { ...sound, audio, broken: false };
    audio.addEventListener("error", () => {
      if (!audio.src || opened.broken) return;
      opened.broken = true;
      this.dispatchEvent(new CustomEvent("broken", { detail: opened }));
      if (this.sounds.every((each) => each.broken)) this.pause();
    });
    return opened;
  }

  play() {
    if (this.playing || !this.sounds.some((sound) => !sound.broken)) return;
    if (this.position >= this.duration - 0.05) this.position = 0;
    this.playing = true;
    this.tickedAt = performance.now();
    this.timer = setInterval(() => this.#tick(), TICK_MS);
    this.#follow();
    this.#tell("state");
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    clearInterval(this.timer);
    for (const { audio } of this.sounds) audio.pause();
    this.#tell("state");
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(to) {
    this.position = Math.min(Math.max(0, to), this.duration);
    if (this.playing) this.#follow(true);
    this.#tell("time");
  }

  setRate(rate) {
    this.rate = Math.min(3, Math.max(0.5, rate));
    for (const { audio } of this.sounds) audio.playbackRate = this.rate;
    this.#tell("rate");
  }

  #isOn(sound) {
    const at = this.position - sound.start;
    return !sound.broken && at >= 0 && (sound.duration <= 0 || at < sound.duration);
  }

  #tick() {
    const now = performance.now();
    const passed = ((now - this.tickedAt) / 1000) * this.rate;
    this.tickedAt = now;
    const leader = this.sounds.find((sound) => this.#isOn(sound) && !sound.audio.ended);
    if (!leader) {
      this.position += passed;
    } else if (!leader.audio.seeking && leader.audio.readyState >= 2) {
      this.position = leader.start + leader.audio.currentTime;
    } // else it waits for bytes, and everybody waits with it
    if (this.position >= this.duration) {
      this.position = this.duration;
      this.pause();
    } else {
      this.#follow(false, leader);
    }
    this.#tell("time");
  }

  #follow(jump = false, leader = null) {
    const isHeldUp = leader !== null && (leader.audio.seeking || leader.audio.readyState < 3);
    for (const sound of this.sounds) {
      const { audio } = sound;
      if (!this.#isOn(sound)) {
        if (!audio.paused) audio.pause();
        continue;
      }
      if (!audio.src) audio.src = sound.src;
      if (isHeldUp && sound !== leader) {
        if (!audio.paused) audio.pause(); // nobody runs ahead of the one that waits for bytes
        continue;
      }
      const wanted = this.position - sound.start;
      const isApart = Math.abs(audio.currentTime - wanted) > APART_S;
      // One that is loading is left alone: each jump would ask for its bytes anew.
      const canMove = audio.paused ? !audio.seeking : sound !== leader && audio.readyState >= 3;
      if (jump || (isApart && canMove)) audio.currentTime = wanted;
      if (audio.paused && !audio.ended) {
        audio.playbackRate = this.rate;
        audio.play().catch(() => {}); // "error" tells what is wrong; a jump meanwhile is none
      }
    }
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
