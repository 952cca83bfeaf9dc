//! Driver names: one form for all the ways to write a name, and matching of a file's names to known ones. It never guesses
//! between two people.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use utoipa::ToSchema;

use super::limits::CatalogLimits;

/// Names that are suggested where none matches.
const SUGGESTIONS: usize = 3;

/// Generational suffixes; they tell father from son, so they stay in the normal form.
const SUFFIXES: [&str; 6] = ["jr", "sr", "ii", "iii", "iv", "v"];

/// The form in which ways to write the same name are equal: lower case, no diacritics or punctuation, `A.J.`, `A. J.` and `AJ`
/// alike, `Last, First` turned round, `Jr.` and its kind at the end.
#[must_use]
pub fn normal_form(name: &str) -> String {
    let (base, suffix) = split_suffix(name);
    if suffix.is_empty() { base } else { format!("{base} {suffix}") }
}

/// The normal form without the suffix, and the suffix.
fn split_suffix(name: &str) -> (String, String) {
    let turned = turn_round(name);
    let letters = fold_letters(&turned);
    let words = join_initials(letters.split_whitespace());
    let is_suffix = |index: usize, word: &str| index > 0 && SUFFIXES.contains(&word);
    let (mut base, mut suffix) = (Vec::new(), Vec::new());
    for (index, word) in words.iter().enumerate() {
        let word = if word == "junior" && index > 0 { "jr" } else { word.as_str() };
        if is_suffix(index, word) { suffix.push(word) } else { base.push(word) }
    }
    if base.is_empty() {
        // Nothing but punctuation: keep it, so that two such names do not become one.
        return (name.trim().to_lowercase(), String::new());
    }
    (base.join(" "), suffix.join(" "))
}

/// `Larson, Kyle` as `Kyle Larson`; `Truex, Jr.` stays.
fn turn_round(name: &str) -> String {
    let Some((last, first)) = name.split_once(',') else { return name.to_owned() };
    let is_suffix = SUFFIXES.contains(&fold_letters(first).trim());
    if is_suffix || first.contains(',') { name.replace(',', " ") } else { format!("{first} {last}") }
}

/// Lower-case letters and digits; apostrophes vanish, other punctuation becomes a space.
fn fold_letters(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|&letter| !is_combining_mark(letter)).flat_map(char::to_lowercase) {
        match letter {
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ı' => folded.push('i'),
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            '\'' | '\u{2019}' | '`' => {}
            _ if letter.is_alphanumeric() => folded.push(letter),
            _ => folded.push(' '),
        }
    }
    folded
}

/// Joins runs of single letters: `a j` becomes `aj`.
fn join_initials<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut is_run = false;
    for word in words {
        let is_initial = word.chars().count() == 1;
        match joined.last_mut() {
            Some(run) if is_run && is_initial => run.push_str(word),
            _ => joined.push(word.to_owned()),
        }
        is_run = is_initial;
    }
    joined
}

/// How a name was matched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum MatchKind {
    /// Letter by letter.
    Exact,
    /// After normalisation, or with a suffix that one side leaves out.
    NormalForm,
    /// By similarity alone: look at it.
    Approximate {
        /// Similarity, 0..=1.
        score: f64,
    },
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq)]
pub enum NameOutcome {
    /// It is a known name.
    Matched {
        /// Index into the known names.
        known: usize,
        /// How it was matched.
        kind: MatchKind,
    },
    /// It fits more than one known name, or another of the given names fits the same one as well.
    Ambiguous {
        /// Indices of the known names it may be.
        candidates: Vec<usize>,
    },
    /// It fits none.
    Unmatched {
        /// Indices of the most similar known names, best first.
        suggestions: Vec<usize>,
    },
}

struct KnownNames<'a> {
    names: &'a [&'a str],
    normal: Vec<String>,
    /// Base form and suffix.
    split: Vec<(String, String)>,
    by_normal: HashMap<String, Vec<usize>>,
    by_base: HashMap<String, Vec<usize>>,
}

impl<'a> KnownNames<'a> {
    fn new(names: &'a [&'a str]) -> Self {
        let normal: Vec<String> = names.iter().map(|name| normal_form(name)).collect();
        let split: Vec<(String, String)> = names.iter().map(|name| split_suffix(name)).collect();
        let (mut by_normal, mut by_base) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for index in 0..names.len() {
            by_normal.entry(normal[index].clone()).or_default().push(index);
            by_base.entry(split[index].0.clone()).or_default().push(index);
        }
        Self { names, normal, split, by_normal, by_base }
    }

    /// Matches without similarity; `None` where it takes that.
    fn find(&self, name: &str) -> Option<NameOutcome> {
        if let Some(known) = self.names.iter().position(|&known| known == name) {
            return Some(NameOutcome::Matched { known, kind: MatchKind::Exact });
        }
        if let Some(candidates) = self.by_normal.get(&normal_form(name)) {
            return Some(only(candidates, MatchKind::NormalForm));
        }
        // One side may leave the suffix out; two different suffixes are two people.
        let (base, suffix) = split_suffix(name);
        let fits = |&index: &usize| suffix.is_empty() || self.split[index].1.is_empty();
        let candidates: Vec<usize> = self.by_base.get(&base)?.iter().copied().filter(fits).collect();
        (!candidates.is_empty()).then(|| only(&candidates, MatchKind::NormalForm))
    }

    /// Known names that are not taken, by similarity, best first.
    fn ranked(&self, name: &str, taken: &HashSet<usize>) -> Vec<(usize, f64)> {
        let normal = normal_form(name);
        let free = (0..self.names.len()).filter(|index| !taken.contains(index));
        let mut ranked: Vec<(usize, f64)> =
            free.map(|index| (index, similarity(&normal, &self.normal[index]))).collect();
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        ranked
    }
}

fn only(candidates: &[usize], kind: MatchKind) -> NameOutcome {
    match candidates {
        [known] => NameOutcome::Matched { known: *known, kind },
        _ => NameOutcome::Ambiguous { candidates: candidates.to_vec() },
    }
}

/// Similarity of two normal forms, 0..=1: Jaro-Winkler, scaled down by how different the first names and the last names are
/// on their own, because siblings share a last name and namesakes a first one.
#[must_use]
pub fn similarity(left: &str, right: &str) -> f64 {
    let whole = strsim::jaro_winkler(left, right);
    let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
    let ends =
        |words: &[&str]| words.first().copied().zip(words.last().copied()).map(|(a, b)| (a.to_owned(), b.to_owned()));
    let (Some((first_left, last_left)), Some((first_right, last_right))) = (ends(&left), ends(&right)) else {
        return whole;
    };
    whole.min(word_similarity(&first_left, &first_right)).min(word_similarity(&last_left, &last_right))
}

/// Similarity of two words; an initial or a short form counts as nearly the word it begins.
fn word_similarity(left: &str, right: &str) -> f64 {
    let is_prefix = left.starts_with(right) || right.starts_with(left);
    if left == right {
        1.0
    } else if is_prefix {
        strsim::jaro_winkler(left, right).max(0.95)
    } else {
        strsim::jaro_winkler(left, right)
    }
}

/// Matches each name to one known name at most. Similarity is tried last, and only on known names that no other name claims
/// letter by letter or in normal form.
#[must_use]
pub fn match_names(names: &[&str], known: &[&str], limits: &CatalogLimits) -> Vec<NameOutcome> {
    let known_names = KnownNames::new(known);
    let sure: Vec<Option<NameOutcome>> = names.iter().map(|name| known_names.find(name)).collect();
    let taken: HashSet<usize> = sure.iter().flatten().filter_map(matched).collect();
    let mut outcomes: Vec<NameOutcome> = sure
        .into_iter()
        .zip(names)
        .map(|(outcome, name)| outcome.unwrap_or_else(|| approximate(&known_names, name, &taken, limits)))
        .collect();
    refuse_shared(&mut outcomes);
    outcomes
}

const fn matched(outcome: &NameOutcome) -> Option<usize> {
    match outcome {
        NameOutcome::Matched { known, .. } => Some(*known),
        _ => None,
    }
}

fn approximate(known: &KnownNames<'_>, name: &str, taken: &HashSet<usize>, limits: &CatalogLimits) -> NameOutcome {
    let ranked = known.ranked(name, taken);
    let is_near = |&&(_, score): &&(usize, f64)| score >= limits.name_similarity_min;
    let best = ranked.first().filter(|candidate| is_near(candidate));
    let Some(&(index, score)) = best else {
        let suggestions = ranked.iter().take(SUGGESTIONS).map(|&(index, _)| index).collect();
        return NameOutcome::Unmatched { suggestions };
    };
    let rivals = ranked.iter().take_while(|(_, other)| score - other < limits.name_similarity_margin);
    let candidates: Vec<usize> = rivals.map(|&(index, _)| index).collect();
    if candidates.len() > 1 {
        return NameOutcome::Ambiguous { candidates };
    }
    NameOutcome::Matched { known: index, kind: MatchKind::Approximate { score } }
}

/// Names that claim the same known name cannot both be right, so none of them is taken to be.
fn refuse_shared(outcomes: &mut [NameOutcome]) {
    let mut claims: HashMap<usize, usize> = HashMap::new();
    for known in outcomes.iter().filter_map(matched) {
        *claims.entry(known).or_default() += 1;
    }
    for outcome in outcomes {
        if let Some(known) = matched(outcome).filter(|known| claims[known] > 1) {
            *outcome = NameOutcome::Ambiguous { candidates: vec![known] };
        }
    }
}
