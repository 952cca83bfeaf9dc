//! Signing secrets and signatures as Standard Webhooks defines them: HMAC-SHA256 over id, timestamp and body.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use sha2::{Digest, Sha256};

use super::error::WebhooksError;

/// What every secret starts with, so that secret scanners and people know one when they see it.
const PREFIX: &str = "whsec_";
/// Random bytes of a new secret.
const BYTES: usize = 32;
/// Lengths that the specification allows, in bytes.
const BYTES_ALLOWED: std::ops::RangeInclusive<usize> = 24..=64;
/// Block of SHA-256 in bytes, the longest key that HMAC takes as it is.
const BLOCK_BYTES: usize = 64;

/// A signing secret. Shown once, when it is made; never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Text that is not a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: expected `whsec_` and the base64 of 24 to 64 bytes")]
pub struct MalformedSecret;

impl Secret {
    /// A new secret that nobody can guess.
    ///
    /// # Errors
    /// [`WebhooksError::Randomness`].
    pub fn random() -> Result<Self, WebhooksError> {
        let mut bytes = vec![0; BYTES];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(|_| WebhooksError::Randomness)?;
        Ok(Self(bytes))
    }

    /// The secret itself, to be shown once to its owner.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message, `v1,` and base64. `timestamp_s` is the time of the attempt, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        // HMAC pads a short key with zeros to the hash's block (RFC 2104, section 2).
        let mut block = [0; BLOCK_BYTES];
        block[..self.0.len()].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl FromStr for Secret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, MalformedSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(MalformedSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
        if BYTES_ALLOWED.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(MalformedSecret) }
    }
}

/// Never the secret: one that ends up in a log line is a leak.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = Sha256::digest(&self.0);
        write!(formatter, "Secret(sha256 {:02x}{:02x}...)", hash[0], hash[1])
    }
}

/// The signature header: one signature for each secret that is valid, so that a receiver needs to know only one of them.
pub(super) fn signature_header(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    secrets.iter().map(|secret| secret.sign(id, timestamp_s, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the reference libraries of Standard Webhooks share.
    #[test]
    fn the_published_test_vector_is_signed_as_published() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_of_a_message_is_signed() {
        let secret = Secret::random().unwrap();
        let signature = secret.sign("id", 7, b"body");
        let others = [secret.sign("ie", 7, b"body"), secret.sign("id", 8, b"body"), secret.sign("id", 7, b"bodx")];
        assert!(others.iter().all(|other| *other != signature));
        assert_ne!(Secret::random().unwrap().sign("id", 7, b"body"), signature);
    }

    #[test]
    fn during_a_rotation_there_is_a_signature_for_each_secret() {
        let secrets = [Secret::random().unwrap(), Secret::random().unwrap()];
        let header = signature_header(&secrets, "id", 7, b"body");
        let wanted: Vec<String> = secrets.iter().map(|secret| secret.sign("id", 7, b"body")).collect();
        assert_eq!(header.split(' ').collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_secret_survives_storage_and_is_not_shown_by_accident() {
        let secret = Secret::random().unwrap();
        assert_eq!(secret.expose().parse::<Secret>().unwrap(), secret);
        assert!(!format!("{secret:?}").contains(&secret.expose()[PREFIX.len()..PREFIX.len() + 8]));
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        for (bytes, is_taken) in [(23, false), (24, true), (64, true), (65, false)] {
            let text = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            assert_eq!(text.parse::<Secret>().is_ok(), is_taken, "{bytes}");
        }
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS?"] {
            assert_eq!(wrong.parse::<Secret>(), Err(MalformedSecret), "{wrong}");
        }
    }
}
