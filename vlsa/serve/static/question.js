// The question as the page holds it, and as the server asks it (docs/search.md).

const QUOTED = /"([^"]+)"|[“”„]([^“”„]+)[“”]|«([^«»]+)»|»([^«»]+)[«»]|「([^「」]+)」|『([^『』]+)』|＂([^＂]+)＂/g;

export const newQuestion = () => ({
  words: "", wordsWeight: 1, parts: [], filters: [], group: "moment", k: 24, mix: { video: 1, audio: 1, text: 1 },
});

export const isAsked = question => Boolean(question.words.trim() || question.parts.length);

/** Words without their quotation marks, and the phrases in them. */
export function splitPhrases(text) {
  const phrases = [...text.matchAll(QUOTED)].map(found => found.slice(1).find(Boolean).trim()).filter(Boolean);
  return { words: text.replace(QUOTED, (_, ...found) => ` ${found.find(Boolean)} `).replace(/\s+/g, " ").trim(), phrases };
}

/** The question object of the API; `info` is the index that is asked. */
export function toApi(question, info) {
  const { words, phrases } = splitPhrases(question.words);
  const parts = words ? [{ kind: "text", value: words, weight: question.wordsWeight }] : [];
  const asked = [...parts, ...question.parts].flatMap(part => weighed(part, question.mix, info));
  const body = { parts: asked, k: question.k };
  if (phrases.length) body.phrases = phrases;
  if (question.group === "file") Object.assign(body, { group_by: "file", k: Math.min(question.k, 48), max_per_file: 24 });
  const where = whereOf(question.filters, info.columns ?? []);
  return where ? { ...body, where } : body;
}

/** A part, or where picture, sound and words count differently, a part for each of them. */
function weighed(part, mix, info) {
  if (mix.video === 1 && mix.audio === 1 && mix.text === 1) return [{ [part.kind]: part.value, weight: part.weight }];
  const share = (kind, modality, factor, extra = {}) =>
    ({ [kind]: part.value, weight: Number((part.weight * mix[modality] * factor).toFixed(3)), ...extra });
  const each = {
    text: () => targetsOf(info).map(target => share("text", target, 1, { in: target })),
    audio: () => [share("audio", "audio", 1)],
    video: () => [share("video", "video", 1)],
    image: () => [share("image", "video", 1)],
    clip: () => [share("video", "video", 0.5), share("audio", "audio", 0.5)],
    moment: () => (part.only ? [share(part.only, part.only, 1)] : [share("video", "video", 0.5), share("audio", "audio", 0.5)]),
  };
  return each[part.kind]().filter(one => one.weight !== 0);
}

/** What words can be compared with in an index, one by one. */
export function targetsOf(info) {
  const known = info.can_ask?.text ?? ["video", "audio"];
  return ["video", "audio", "text"].filter(target => known.includes(target) && (target !== "text" || info.num_texts > 0));
}

const quoted = text => `'${text.replaceAll("'", "''")}'`;
const named = column => `"${column.replaceAll('"', '""')}"`; // also a column that is called as a word of the language

/** The filters as one line of the language of filters. */
function whereOf(filters, columns) {
  const kinds = Object.fromEntries(columns.map(column => [column.name, column.kind]));
  const folder = named("file.folder" in kinds ? "file.folder" : "folder"); // metadata.csv may have one of that name
  return filters.map(filter => condition(filter, kinds[filter.column], folder)).filter(Boolean).join(" and ");
}

function condition({ column, values }, kind, folderColumn) {
  const name = named(column);
  if (column === "folder") return anyOf(values.flatMap(folder => inFolder(folder, folderColumn)));
  if (kind === "boolean") return values[0] === "no" ? `not ${name}` : name;
  if (kind === "text") return `${name} in (${values.map(quoted).join(", ")})`;
  const literal = kind === "date" ? text => text : text => String(Number(text));
  const [least, most] = values;
  return [least && `${name} >= ${literal(least)}`, most && `${name} <= ${literal(most)}`].filter(Boolean).join(" and ");
}

const inFolder = (folder, column) =>
  (folder ? [`${column} = ${quoted(folder)}`, `${column} like ${quoted(`${folder}/*`)}`] : [`${column} = ''`]);
const anyOf = conditions => (conditions.length > 1 ? `(${conditions.join(" or ")})` : conditions[0]);

/** The question with the values of a filter; none takes it away. */
export function withFilter(question, column, values) {
  const others = question.filters.filter(filter => filter.column !== column);
  const given = values.some(value => value !== "" || column === "folder"); // the top folder has no name
  return { ...question, filters: given ? [...others, { column, values }] : others };
}

export const valuesOf = (question, column) => question.filters.find(filter => filter.column === column)?.values ?? [];
