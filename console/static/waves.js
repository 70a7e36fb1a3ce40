// Draws the lanes: levels from the server, by wavesurfer.js, all on the clock of the call.

const HEIGHT = 44;

const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const colour = style.getPropertyValue("--low").trim();
  return { waveColor: colour, progressColor: colour };
};

const levelsOf = (text) => Float32Array.from(atob(text), (char) => char.charCodeAt(0) / 255);

/** Draw every lane of the page; lanes come in as the server has them ready. */
export const drawLanes = async (page) => {
  const { room, duration, nonce, waves } = page.dataset;
  if (!(Number(duration) > 0)) return;
  const { default: WaveSurfer } = await import(waves);
  const drawn = [];
  await Promise.all(
    Array.from(page.querySelectorAll("[data-lane]"), async (lane) => {
      const note = lane.querySelector(".lane-note");
      const say = (text) => {
        note.textContent = text;
        note.hidden = false;
      };
      const answer = await fetch(`/calls/${encodeURIComponent(room)}/lanes/${lane.dataset.lane}`);
      if (!answer.ok) return say("This lane cannot be drawn now.");
      const { levels, notes } = await answer.json();
      if (notes.length) say(notes.join(" "));
      if (!levels) return undefined;
      const place = lane.querySelector(".wave");
      const wave = WaveSurfer.create({
        container: place,
        height: HEIGHT,
        cspNonce: nonce,
        cursorWidth: 0,
        interact: false,
        hideScrollbar: true,
        barWidth: 1,
        peaks: [levelsOf(levels)],
        duration: Number(duration),
        ...colours(),
      });
      drawn.push(wave);
      lane.dataset.drawn = "true";
      return undefined;
    }),
  );
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const wave of drawn) wave.setOptions(colours());
  });
};
