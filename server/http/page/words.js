// What the page says: causes, times and names, for people.

const CAUSES = {
  CAUSE_STREAM_ENDED: 'its stream ended',
  CAUSE_HEARTBEATS_STOPPED: 'its heartbeats stopped',
  CAUSE_LOCK_FREE: 'its lock was found free',
  CAUSE_PROCESS_EXITED: 'its process ended',
  CAUSE_SUPERSEDED: 'superseded by a newcomer',
};

export function causeOf(event) {
  return CAUSES[event.cause] ?? 'for a reason that this page does not know';
}

// POD_STATE_ALIVE -> ALIVE
export function bare(name, prefix) {
  return (name ?? '').replace(`${prefix}_`, '');
}

// Marks that turn or hide the text around them are shown for what they are. Nothing of a name is ever markup.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function plain(text) {
  return String(text).replace(INVISIBLE,
    (mark) => `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 0.0005) return '< 1 ms';
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

// "3s", "0.250s"
export function secondsOf(text) {
  return Number.parseFloat(text ?? 'NaN');
}

// Between two times of the database's clock.
export function between(from, to) {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

// The time of day; the day, too, when it is another one than `now`.
export function clock(time, now) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return '–';
  return (date.toDateString() === new Date(now).toDateString() ? CLOCK : DAY).format(date);
}

// The two sentences of a refusal. Messages of the server begin as parts of sentences.
export function sentences(message, hint) {
  const text = plain(message || 'it was refused');
  return `${text[0].toUpperCase()}${text.slice(1)}. ${plain(hint ?? '')}`.trim();
}

export function counted(number, one, many) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}
