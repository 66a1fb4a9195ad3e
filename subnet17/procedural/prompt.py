"""From a prompt's words to what was understood of them.

Covers noun phrases in English: adjectives before the noun, compound nouns (longest match wins), counts, and
phrases joined by "with", "wearing", "holding", "on", "in", "made of", "covered in", "and".
Does not cover: verbs and poses, negation beyond "without", pronouns, relative clauses, other languages.
What is not understood is listed, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from subnet17.procedural import vocabulary as vocab
from subnet17.procedural.colours import SHADES, is_colour
from subnet17.procedural.model import families
from subnet17.procedural.paint import as_finish, as_material, as_tuple

Colour = tuple[float, float, float]

PORTIONS = frozenset(
    ["slice", "piece", "wedge", "loaf", "plate", "scoop", "block", "heap", "lump", "chunk", "half"]
)
"""In "a slice of pizza" what is made is the pizza; its family may read the word."""
COLLECTIVES = frozenset(["bunch", "pair", "stack", "pile", "set", "cluster", "group"])
"""In "a bunch of grapes" or "a pair of glasses" a noun that exists in the plural is still one thing."""
OF_PARTS = frozenset(["with", "without", "topped"])
"""Relations in which the last word is likelier a part than a whole: "with a carrot nose"."""


@dataclass(frozen=True)
class Thing:
    """One noun phrase.

    Attributes:
        noun: The head noun as matched or read, singular; empty if there is none.
        family: Name of the family that makes it; None: nothing known does.
        words: Single words of the noun and its adjectives, for `Build.has`.
        colours: sRGB in 0..1, in the order given; `colour_words` are their words.
        materials, finishes: Keys of `paint.MATERIALS` and `paint.FINISHES`.
        sizes: Keys of `vocabulary.SIZES`.
        modifiers: Known adjectives that are none of these.
        count: Copies, 1..9.
        likeness: What a part is shaped like, as a known noun: the lion of "a lion emblem".
        unknown: Words that mean nothing here.
        known: Number of words that do.
    """

    noun: str = ""
    family: str | None = None
    words: frozenset[str] = frozenset()
    colours: tuple[Colour, ...] = ()
    colour_words: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    finishes: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()
    count: int = 1
    likeness: str = ""
    unknown: tuple[str, ...] = ()
    known: int = 0


@dataclass(frozen=True)
class Relation:
    """What else there is, and how: wearing, holding, with, topped, filled, on, in, under, and, without."""

    kind: str
    thing: Thing


@dataclass(frozen=True)
class Understanding:
    """What was understood of a prompt.

    Attributes:
        prompt: As given.
        subject: What is to be made.
        relations: What belongs to it, in order.
        unknown_words: Words that mean nothing here, in order, without repeats.
        known_share: Known words over all words that carry meaning; 1.0 for none at all.
    """

    prompt: str
    subject: Thing
    relations: tuple[Relation, ...] = ()
    unknown_words: tuple[str, ...] = ()
    known_share: float = 1.0

    @property
    def family(self) -> str | None:
        """Family of the subject; None: unknown."""
        return self.subject.family


def understand(prompt: str) -> Understanding:
    """Reads a prompt. Never raises for a string; an empty one is an unknown subject without words."""
    pieces = _pieces(_tokens(prompt))
    first = _read(pieces[0][1])
    if not first.noun and len(pieces) > 1 and pieces[1][0] == "of":
        first = _merged(_read(pieces.pop(1)[1]), first)  # "a picture of a cat"
    subject, likeness = _as_likeness(first, pieces)
    relations: list[Relation] = list(likeness)
    for kind, tokens in _topped(pieces[1:]):
        subject, relation = _join(subject, kind, _read_part(tokens) if kind in OF_PARTS else _read(tokens))
        if relation is not None:
            relations.append(relation)
    things = [subject, *(r.thing for r in relations)]
    unknown = tuple(dict.fromkeys(word for thing in things for word in thing.unknown))
    known = sum(thing.known for thing in things)
    share = known / (known + len(unknown)) if known + len(unknown) else 1.0
    return Understanding(prompt, subject, tuple(relations), unknown, share)


def _topped(pieces: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Reads "with an eagle on top" as "topped with an eagle"."""
    read: list[tuple[str, list[str]]] = []
    for kind, tokens in pieces:
        if read and kind == "on" and [t for t in tokens if t not in vocab.ARTICLES] == ["top"]:
            read[-1] = ("topped", read[-1][1])
        else:
            read.append((kind, tokens))
    return read


@cache
def nouns() -> Mapping[tuple[str, ...], str]:
    """Family name by the words of every singular noun that is known."""
    return {tuple(word.split()): f.name for f in families().values() for word in f.words}


def _tokens(prompt: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode().lower()
    return re.findall(r"[a-z0-9]+|,", plain.replace("'s ", " ").replace("'", ""))


def _pieces(tokens: list[str]) -> list[tuple[str, list[str]]]:
    """Splits at relation words: [("", subject words), (kind, words), ...]."""
    pieces: list[tuple[str, list[str]]] = [("", [])]
    i = 0
    while i < len(tokens):
        length, _ = _noun_at(tokens, i)
        if length > 1:  # "suit of armor" is one noun
            pieces[-1][1].extend(tokens[i : i + length])
            i += length
            continue
        length, kind = _relation_at(tokens, i)
        if kind in {"and", ","} and not (
            _names(pieces[-1][1]) and _names(_until_relation(tokens[i + length :]))
        ):
            i += length  # "black and white cat", "a chair, red"
            continue
        if kind == "of" and tokens[i - 1 : i] and tokens[i - 1] in {*vocab.NUMBERS, *PORTIONS}:
            kind = ""
            i += 1
            continue
        if not kind:
            pieces[-1][1].append(tokens[i])
            i += 1
            continue
        joined = pieces[-1][0] if kind in {"and", ","} and pieces[-1][0] not in {"", "on", "in"} else kind
        pieces.append(("and" if joined == "," else joined, []))
        i += length
    return pieces


def _relation_at(tokens: list[str], i: int) -> tuple[int, str]:
    if tokens[i] == ",":
        return 1, ","
    for length in (3, 2, 1):
        kind = vocab.RELATIONS.get(tuple(tokens[i : i + length]))
        if kind:
            return length, kind
    return 0, ""


def _until_relation(tokens: list[str]) -> list[str]:
    for i in range(len(tokens)):
        if _relation_at(tokens, i)[1]:
            return tokens[:i]
    return tokens


def _names(tokens: list[str]) -> bool:
    """Whether the words contain a noun, other than one that is also a colour or a material."""
    return any(_noun_at(tokens, i)[0] and not _is_adjective(tokens[i]) for i in range(len(tokens))) or any(
        s in vocab.PARTS for t in tokens for s in vocab.singulars(t)
    )


def _noun_at(tokens: list[str], i: int) -> tuple[int, str]:
    """(number of words, singular noun) of the longest known noun that starts at i; (0, "") for none."""
    for length in (4, 3, 2, 1):
        words = tokens[i : i + length]
        if len(words) < length:
            continue
        for last in vocab.singulars(words[-1]):
            if (*words[:-1], last) in nouns():
                return length, " ".join([*words[:-1], last])
    return 0, ""


def _is_adjective(word: str) -> bool:
    return bool(is_colour(word) or as_material(word) or as_finish(word) or word in vocab.STYLES)


@dataclass
class _Reader:
    """Collects what the adjectives of one noun phrase say."""

    shade: str = ""
    count: int = 1
    found: dict[str, list[str]] = field(default_factory=dict)
    colours: list[Colour] = field(default_factory=list)
    known: int = 0

    def note(self, kind: str, word: str) -> None:
        self.found.setdefault(kind, []).append(word)
        self.known += kind != "unknown"

    def listed(self, kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.found.get(kind, ())))

    def read(self, word: str, following: str) -> None:
        """Takes one adjective (or unknown word)."""
        if word in SHADES and is_colour(following):
            self.shade = word
            self.known += 1
        elif is_colour(word):
            self.colours.append(as_tuple(word, self.shade))
            self.shade = ""
            self.note("colour", word)
        elif as_material(word):
            self.note("material", as_material(word) or "")
            self.note("word", word)
        elif as_finish(word):
            self.note("finish", as_finish(word) or "")
            self.note("word", word)
            self.known -= 1
        elif word in PORTIONS and following:
            self.note("modifier", word)
        elif word in vocab.NUMBERS or word.isdigit():
            number = vocab.NUMBERS.get(word) or int(word[:3])
            self.count = max(1, min(number, vocab.MOST_COPIES))
            self.note("number", word)
        elif word in vocab.SIZES:
            self.note("size", word)
        elif word in vocab.STYLES:
            self.note("modifier", word)
            if word in vocab.MATERIAL_NOUNS:
                self.note("material", vocab.MATERIAL_NOUNS[word])
        elif word not in vocab.ARTICLES and word not in vocab.REQUESTS:
            self.note("unknown", word)


def _read(tokens: list[str]) -> Thing:
    start, length, noun = _head(tokens)
    reader = _Reader()
    i = 0
    while i < len(tokens):
        if i == start:
            reader.known += 1
            i += length
            continue
        before_head = i < start
        other_length, other = _noun_at(tokens, i) if before_head and not _is_adjective(tokens[i]) else (0, "")
        if other in vocab.MATERIAL_NOUNS:
            reader.note("material", vocab.MATERIAL_NOUNS[other])
        elif other_length:
            reader.note("unknown", other)
        else:
            reader.read(tokens[i], tokens[i + 1] if i + 1 < len(tokens) else "")
        i += max(other_length, 1)
    return _as_thing(
        reader, noun, plural=bool(length) and _is_bare_plural(tokens[start : start + length], noun)
    )


def _read_part(tokens: list[str]) -> Thing:
    """Like `_read`, but a part after a noun is the head: "a lion emblem" is an emblem, not a lion."""
    thing = _read(tokens)
    part = next((s for t in tokens[-1:] for s in vocab.singulars(t) if s in vocab.PARTS), "")
    if not part or not thing.family or part in thing.noun.split() or tokens[-1] not in thing.unknown:
        return thing
    unknown = tuple(word for word in thing.unknown if word != tokens[-1])
    return replace(thing, noun=part, family=None, likeness=thing.noun, unknown=unknown, known=thing.known + 1)


def _as_thing(reader: _Reader, noun: str, *, plural: bool) -> Thing:
    unknown = reader.listed("unknown")
    known = reader.known
    family = nouns().get(tuple(noun.split()))
    part = next((s for w in unknown[-1:] for s in vocab.singulars(w) if s in vocab.PARTS), "")
    covering = next((s for w in unknown[-1:] for s in vocab.singulars(w) if s in vocab.COVERINGS), "")
    plural_only = (noun.endswith("s") or noun in vocab.IRREGULAR) and not COLLECTIVES.isdisjoint(
        reader.listed("number")
    )
    count = 1 if plural_only else 3 if plural and reader.count == 1 else reader.count
    if not noun and unknown:
        noun = part or covering or unknown[-1]
        if part or covering:
            unknown, known = unknown[:-1], known + 1
    words = {*noun.split(), *reader.listed("modifier"), *reader.listed("word"), *reader.listed("size")}
    return Thing(
        noun=noun,
        family=family,
        words=frozenset(words),
        colours=tuple(dict.fromkeys(reader.colours)),
        colour_words=reader.listed("colour"),
        materials=reader.listed("material"),
        finishes=reader.listed("finish"),
        sizes=reader.listed("size"),
        modifiers=reader.listed("modifier"),
        count=count,
        unknown=unknown,
        known=known,
    )


def _head(tokens: list[str]) -> tuple[int, int, str]:
    """(start, number of words, noun) of the last noun; one that can't be an adjective is preferred."""
    found: list[tuple[int, int, str]] = []
    i = 0
    while i < len(tokens):
        length, noun = _noun_at(tokens, i)
        if length:
            found.append((i, length, noun))
        i += max(length, 1)
    sure = [f for f in found if f[1] > 1 or not _is_adjective(tokens[f[0]])]
    maybe = [f for f in found if not any(_is_unknown(t) for t in tokens[f[0] + f[1] :])]  # not "stone golem"
    return (sure or maybe or [(-1, 0, "")])[-1]


def _is_unknown(word: str) -> bool:
    known = (*vocab.ARTICLES, *vocab.REQUESTS, *vocab.NUMBERS, *vocab.SIZES, *SHADES)
    return not (_is_adjective(word) or word in known or word.isdigit())


def _is_bare_plural(words: list[str], noun: str) -> bool:
    return " ".join(words) != noun and words[-1] not in vocab.ALWAYS_PAIRED


def _as_likeness(thing: Thing, pieces: list[tuple[str, list[str]]]) -> tuple[Thing, list[Relation]]:
    """Reads "dragon statue" and "statue of a dragon": the other noun, in stone, on a pedestal."""
    likeness = next((w for w in (*thing.unknown, thing.noun) if w in vocab.EFFIGIES), "")
    if not likeness:
        return thing, []
    if len(pieces) > 1 and pieces[1][0] == "of":
        whom = _read(pieces.pop(1)[1])
        thing = replace(_merged(whom, thing), unknown=(*thing.unknown, *whom.unknown))
    unknown = tuple(word for word in thing.unknown if word != likeness)
    gold = ("gold",) if "golden" in thing.colour_words else ()
    materials = thing.materials or gold or (vocab.EFFIGIES[likeness],)
    pedestal = Thing("pedestal", nouns().get(("pedestal",)), frozenset({"pedestal"}), materials=materials[:1])
    relations = [Relation("on", pedestal)] if pedestal.family else []
    known = thing.known + (likeness in thing.unknown)
    words = thing.words | {likeness}
    return replace(thing, unknown=unknown, materials=materials, known=known, words=words), relations


def _merged(thing: Thing, other: Thing) -> Thing:
    """The thing with the adjectives of another."""
    return replace(
        thing,
        colours=other.colours + thing.colours,
        colour_words=other.colour_words + thing.colour_words,
        materials=other.materials + thing.materials,
        finishes=other.finishes + thing.finishes,
        modifiers=other.modifiers + thing.modifiers,
        words=thing.words | other.words,
        unknown=thing.unknown + other.unknown,
        known=thing.known + other.known,
    )


def _join(subject: Thing, kind: str, thing: Thing) -> tuple[Thing, Relation | None]:
    """Binds a phrase to the subject: as its own adjectives, or as something beside it."""
    if kind in {"of", "made of", "covered"} and thing.materials and not thing.family:
        thing = replace(thing, noun="")  # "of blackened iron" names an iron, whatever blackened is
    if kind == "with" and not thing.noun and "leaves" in thing.materials:
        thing = replace(thing, noun="leaf", materials=tuple(m for m in thing.materials if m != "leaves"))
    material = as_material(thing.noun)
    if material and kind in {"of", "made of"}:  # "of oak" names a wood, not a tree
        thing = replace(thing, noun="", family=None, materials=(*thing.materials, material))
    empty = not thing.noun
    if kind == "of":
        kind = "made of" if empty and thing.materials else "filled"
    covering = vocab.COVERINGS.get(thing.noun, "") if kind in {"with", "covered", "made of"} else ""
    worn_in = kind == "in" and thing.family and families()[thing.family].worn
    if kind in {"in", "wearing"} and not thing.family and thing.noun in vocab.PARTS:
        kind = "with"  # "a man in a blue suit"
    if covering:
        finish = as_finish(covering)
        added = replace(thing, finishes=(*thing.finishes, finish) if finish else thing.finishes)
        cover = as_material(covering)
        added = replace(added, materials=(cover,) if cover and not finish else ())
        return _merged(subject, added), None
    same = kind in {"with", "filled"} and thing.family is not None and thing.family == subject.family
    if same or kind in {"made of", "covered"} or (empty and kind in {"with", "in", "and", "wearing"}):
        return _merged(subject, thing), None
    if empty:
        return replace(subject, unknown=subject.unknown + thing.unknown), None
    return subject, Relation("wearing" if worn_in else kind, thing)
