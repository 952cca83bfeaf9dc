//! Signatures of results: Ed25519 (RFC 8032) over the pre-authentication encoding of DSSE 1.0 (github.com/secure-systems-lab/dsse),
//! so that whoever has a record and a server's public key can tell that this server made it, and that nobody has changed it since.
//!
//! The secret key is a node's own and never in the database; the public keys of all nodes are.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::AuthError;
use crate::{
    db::{Db, DbError},
    domain::hex::sha256_hex,
};

/// Bytes of a secret key: the seed of RFC 8032.
pub const SEED_BYTES: usize = 32;

/// Keys that a list of them holds, newest first.
pub const LISTED_KEYS_MAX: u32 = 100;

/// What DER has before the 32 bytes of an Ed25519 public key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signature {
    /// Which key: the SHA-256 of its 32 bytes, 64 hexadecimal digits.
    pub keyid: String,
    /// The 64 bytes of the signature, in Base64.
    pub sig: String,
}

/// A signed document, as DSSE 1.0 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Media type of the payload; signed with it.
    #[schema(examples("application/vnd.paddock.result+json"))]
    pub payload_type: String,
    /// The signed bytes, in Base64.
    pub payload: String,
    /// By whom.
    pub signatures: Vec<Signature>,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKey {
    /// SHA-256 of its 32 bytes, 64 hexadecimal digits.
    pub keyid: String,
    /// Always `ed25519`.
    #[schema(examples("ed25519"))]
    pub algorithm: String,
    /// Its 32 bytes, in Base64.
    pub public_key: String,
    /// The same key for other tools (RFC 8410).
    pub pem: String,
}

/// Why a signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// A field is no Base64, or a key has not 32 bytes: the document was cut or is no envelope.
    #[error("the signed document or the key is damaged")]
    Malformed,
    /// Nobody signed with this key: take the key of the server that made the record.
    #[error("the document is not signed by this key")]
    OtherKey,
    /// The bytes are not those that were signed: do not trust them.
    #[error("the document was changed after it was signed")]
    Changed,
}

/// A node's key pair.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Signer").field("keyid", &self.public.keyid).finish_non_exhaustive()
    }
}

impl Signer {
    /// The key pair of a seed; `None` where the library refuses it, which RFC 8032 gives no seed of this length a reason for.
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey::of(pair.public_key().as_ref());
        Some(Self { pair, public })
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a document of this media type.
    #[must_use]
    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Signature {
        let sig = self.pair.sign(&pre_authentication_encoding(payload_type, payload));
        Signature { keyid: self.public.keyid.clone(), sig: BASE64_STANDARD.encode(sig) }
    }
}

impl PublicKey {
    fn of(bytes: &[u8]) -> Self {
        let der = BASE64_STANDARD.encode([&SPKI_PREFIX, bytes].concat());
        Self {
            keyid: sha256_hex(bytes),
            algorithm: "ed25519".to_owned(),
            public_key: BASE64_STANDARD.encode(bytes),
            pem: format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"),
        }
    }

    /// A key from the Base64 of its 32 bytes.
    ///
    /// # Errors
    /// [`NotAuthentic::Malformed`].
    pub fn from_base64(text: &str) -> Result<Self, NotAuthentic> {
        let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| NotAuthentic::Malformed)?;
        if bytes.len() == SEED_BYTES { Ok(Self::of(&bytes)) } else { Err(NotAuthentic::Malformed) }
    }
}

impl Envelope {
    /// A document with its signature.
    #[must_use]
    pub fn new(payload_type: &str, payload: &[u8], signature: Signature) -> Self {
        let payload = BASE64_STANDARD.encode(payload);
        Self { payload_type: payload_type.to_owned(), payload, signatures: vec![signature] }
    }

    /// The document, where `key` signed it as it is.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub fn open(&self, key: &PublicKey) -> Result<Vec<u8>, NotAuthentic> {
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| NotAuthentic::Malformed);
        let payload = decode(&self.payload)?;
        let signature = self.signatures.iter().find(|signature| signature.keyid == key.keyid);
        let signature = decode(&signature.ok_or(NotAuthentic::OtherKey)?.sig)?;
        let public = UnparsedPublicKey::new(&ED25519, decode(&key.public_key)?);
        let signed = pre_authentication_encoding(&self.payload_type, &payload);
        public.verify(&signed, &signature).map_err(|_| NotAuthentic::Changed)?;
        Ok(payload)
    }
}

/// What is signed in place of the bytes alone, so that a document cannot pass for one of another type.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

const ADD: &str = "INSERT INTO signing_keys (key_id, public_key, added_us) SELECT $1, $2, now_us FROM clock
    WHERE true ON CONFLICT (key_id) DO NOTHING";

/// Makes a node's public key known to everybody who uses the database.
///
/// # Errors
/// [`AuthError::Db`].
pub async fn publish(db: &Db, key: &PublicKey) -> Result<(), AuthError> {
    let mut tx = db.write().await?;
    sqlx::query(ADD).bind(&key.keyid).bind(&key.public_key).execute(&mut *tx).await.map_err(DbError::from)?;
    Ok(tx.commit().await?)
}

const LIST: &str = "SELECT public_key FROM signing_keys ORDER BY added_us DESC, key_id LIMIT $1";

/// The public keys that results have been signed with, newest first, at most [`LISTED_KEYS_MAX`].
///
/// # Errors
/// [`AuthError::Db`].
pub async fn signing_keys(db: &Db) -> Result<Vec<PublicKey>, AuthError> {
    let rows = sqlx::query(LIST).bind(i64::from(LISTED_KEYS_MAX)).fetch_all(db.read()).await.map_err(DbError::from)?;
    let keys = rows.iter().map(|row| {
        let text: String = row.try_get("public_key").map_err(DbError::from)?;
        PublicKey::from_base64(&text)
            .map_err(|_| DbError::Unreadable { what: "signing_keys.public_key", detail: text }.into())
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "application/vnd.paddock.result+json";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(&[seed; SEED_BYTES]).unwrap()
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_keys_and_signatures_are_those_of_the_rfc() {
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let signer = Signer::from_seed(&seed.try_into().unwrap()).unwrap();
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(signer.public, PublicKey::of(&public));
        let expected = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(signer.pair.sign(&[0x72]).as_ref(), expected);
    }

    /// The example of DSSE's protocol.md.
    #[test]
    fn what_is_signed_is_what_dsse_says() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn an_envelope_opens_for_its_key_alone_and_only_as_it_was_signed() {
        let (ours, theirs) = (signer(1), signer(2));
        let whole = Envelope::new(TYPE, b"{}", ours.sign(TYPE, b"{}"));
        assert_eq!(whole.open(ours.public()), Ok(b"{}".to_vec()));
        assert_eq!(whole.open(theirs.public()), Err(NotAuthentic::OtherKey));
        let other_payload = Envelope { payload: BASE64_STANDARD.encode(b"[]"), ..whole.clone() };
        let other_type = Envelope { payload_type: "text/plain".to_owned(), ..whole.clone() };
        for changed in [other_payload, other_type] {
            assert_eq!(changed.open(ours.public()), Err(NotAuthentic::Changed));
        }
        let mut renamed = whole.clone();
        renamed.signatures[0].keyid.clone_from(&theirs.public().keyid);
        assert_eq!(renamed.open(theirs.public()), Err(NotAuthentic::Changed));
        let cut = Envelope { payload: "e".to_owned(), ..whole };
        assert_eq!(cut.open(ours.public()), Err(NotAuthentic::Malformed));
    }

    #[test]
    fn a_key_is_read_back_from_its_base64_and_from_nothing_shorter() {
        let key = signer(1).public;
        assert_eq!(PublicKey::from_base64(&format!("{}\n", key.public_key)), Ok(key));
        for text in ["", "AAAA", "not base64!"] {
            assert_eq!(PublicKey::from_base64(text), Err(NotAuthentic::Malformed));
        }
    }
}
