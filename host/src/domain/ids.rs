//! Identifiers: a prefix that says what is named, then 128 random bits from the operating system.

use std::{fmt, str::FromStr};

use rand::TryRng;
use serde::{Deserialize, Serialize};

use super::hex::hex;

/// Text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: expected `{prefix}` followed by 32 hexadecimal digits")]
pub struct InvalidId {
    /// What kind of id was expected, for people.
    pub kind: &'static str,
    /// The prefix that such an id starts with.
    pub prefix: &'static str,
    /// What was given, cut at 80 characters.
    pub text: String,
}

/// 128 bits from the operating system's generator, as 32 hexadecimal digits.
///
/// # Panics
/// Where the operating system has no randomness to give; no safe id exists then.
#[must_use]
pub fn random_hex_128() -> String {
    let mut bytes = [0_u8; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).unwrap_or_else(|error| {
        panic!("the operating system gave no randomness: {error}");
    });
    hex(bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, examples(
            json!(concat!($prefix, "0123456789abcdef0123456789abcdef"))
        ))]
        pub struct $name(String);

        impl $name {
            /// What such an id starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id that nobody can guess.
            #[must_use]
            pub fn random() -> Self {
                Self(format!("{}{}", Self::PREFIX, random_hex_128()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix(Self::PREFIX).unwrap_or_default();
                let is_valid = digits.len() == 32
                    && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if is_valid {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId {
                        kind: $kind,
                        prefix: Self::PREFIX,
                        text: text.chars().take(80).collect(),
                    })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A team: the tenant that owns keys, plugins, races, slates, models and jobs.
    TeamId, "team_", "team"
);
id!(
    /// An API key (its public name, not its secret).
    KeyId, "key_", "key"
);
id!(
    /// A race of a team's catalog.
    RaceId, "race_", "race"
);
id!(
    /// A slate of a team's catalog.
    SlateId, "slate_", "slate"
);
id!(
    /// A fitted model.
    ModelId, "model_", "model"
);
id!(
    /// One version of a plugin.
    PluginId, "plug_", "plugin"
);
id!(
    /// A job.
    JobId, "job_", "job"
);
id!(
    /// A webhook: where a team is told of events.
    WebhookId, "hook_", "webhook"
);
id!(
    /// One event on its way to one webhook.
    DeliveryId, "dlv_", "delivery"
);
id!(
    /// A task of a job: the unit that a worker leases.
    TaskId, "task_", "task"
);
id!(
    /// A schedule of recurring jobs.
    ScheduleId, "sched_", "schedule"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_a_round_trip_through_text() {
        let id = JobId::random();
        assert_eq!(id.as_str().parse::<JobId>(), Ok(id.clone()));
        assert_ne!(id, JobId::random());
    }

    #[test]
    fn an_id_of_another_kind_is_refused_by_name() {
        let team = TeamId::random().to_string();
        let error = team.parse::<JobId>().unwrap_err();
        assert_eq!(error.kind, "job");
        assert!("job_xyz".parse::<JobId>().is_err());
        assert!(format!("job_{}", "A".repeat(32)).parse::<JobId>().is_err());
    }
}
