//! The text of an API key: how it is made, how a typing error is seen, and what of it is stored.
//!
//! `pdk_` + 27 random base62 digits (160 bits) + 6 base62 digits of checksum. Only the SHA-256 of the whole text is kept: a key has
//! too much randomness to be guessed from its hash, so no slow password hash is needed.

use std::{fmt, str::FromStr};

use rand::TryRng;
use sha2::{Digest, Sha256};

use crate::domain::hex::sha256_hex;

/// What every key starts with, so that secret scanners and people know one when they see it.
pub const KEY_PREFIX: &str = "pdk_";
const RANDOM_DIGITS: usize = 27;
const CHECKSUM_DIGITS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key in plain text. Shown once, when it is made; never stored, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// Text that cannot be a key: wrong shape, or a typing error that the checksum shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key: expected `pdk_` and 33 letters or digits with a valid checksum")]
pub struct MalformedKey;

/// The operating system gave no randomness; no safe key exists then.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

impl ApiKey {
    /// A new key that nobody can guess.
    ///
    /// # Errors
    /// Where the operating system has no randomness to give.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut text = String::from(KEY_PREFIX);
        while text.len() < KEY_PREFIX.len() + RANDOM_DIGITS {
            let mut bytes = [0_u8; 32];
            rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|_| NoRandomness)?;
            // 248 is the largest multiple of 62 in a byte: dropping the rest keeps every digit equally likely.
            let wanted = KEY_PREFIX.len() + RANDOM_DIGITS - text.len();
            text.extend(bytes.into_iter().filter(|byte| *byte < 248).take(wanted).map(digit));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Ok(Self(text))
    }

    /// The key itself, to be shown once to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up: SHA-256 of the text, as hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_hex(&self.0)
    }

    /// The part that may be shown in lists, so that people can tell their keys apart: 4 random digits of 27.
    #[must_use]
    pub fn hint(&self) -> String {
        self.0.chars().take(KEY_PREFIX.len() + 4).collect()
    }
}

impl FromStr for ApiKey {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let digits = text.strip_prefix(KEY_PREFIX).ok_or(MalformedKey)?;
        let is_shaped =
            digits.len() == RANDOM_DIGITS + CHECKSUM_DIGITS && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_shaped {
            return Err(MalformedKey);
        }
        let (body, given) = text.split_at(KEY_PREFIX.len() + RANDOM_DIGITS);
        if checksum(body) == given { Ok(Self(text.to_owned())) } else { Err(MalformedKey) }
    }
}

/// Never the secret: a key that ends up in a log line is a leak.
impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({}...)", self.hint())
    }
}

fn digit(value: u8) -> char {
    char::from(ALPHABET[usize::from(value % 62)])
}

/// The first 32 bits of the SHA-256 of `body`, in base62.
fn checksum(body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    let mut value = hash.iter().take(4).fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
    let mut digits = String::with_capacity(CHECKSUM_DIGITS);
    for _ in 0..CHECKSUM_DIGITS {
        digits.push(char::from(ALPHABET[(value % 62) as usize]));
        value /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_published_shape_and_reads_back() {
        let key = ApiKey::random().unwrap();
        assert_eq!(key.expose().len(), 37);
        assert!(key.expose().starts_with("pdk_"));
        assert_eq!(key.expose().parse::<ApiKey>(), Ok(key.clone()));
        assert_ne!(key, ApiKey::random().unwrap());
    }

    #[test]
    fn every_single_typing_error_is_seen_before_the_database_is_asked() {
        let key = ApiKey::random().unwrap();
        for place in 0..key.expose().len() {
            let mut typed: Vec<char> = key.expose().chars().collect();
            typed[place] = if typed[place] == 'a' { 'b' } else { 'a' };
            let typed: String = typed.into_iter().collect();
            assert_eq!(typed.parse::<ApiKey>(), Err(MalformedKey), "{place}");
        }
    }

    #[test]
    fn swapped_neighbours_and_cut_keys_are_refused() {
        let text = ApiKey::random().unwrap().expose().to_owned();
        let mut swapped: Vec<char> = text.chars().collect();
        let place = (4..30).find(|place| swapped[*place] != swapped[place + 1]).unwrap();
        swapped.swap(place, place + 1);
        assert!(swapped.into_iter().collect::<String>().parse::<ApiKey>().is_err());
        assert!(text[..36].parse::<ApiKey>().is_err());
        assert!("".parse::<ApiKey>().is_err());
        assert!("pdk_ééééééééééééééééé".parse::<ApiKey>().is_err());
    }

    #[test]
    fn what_is_stored_does_not_contain_the_key() {
        let key = ApiKey::random().unwrap();
        assert_eq!(key.hash().len(), 64);
        assert!(!key.hash().contains(&key.expose()[4..]));
        assert!(!format!("{key:?}").contains(&key.expose()[8..]));
    }
}
