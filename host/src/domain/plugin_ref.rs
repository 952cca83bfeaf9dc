//! How a job or a person names a plugin: `[team/]name[@version or alias]`.

use std::{fmt, str::FromStr};

/// Longest name of an alias, in bytes.
const ALIAS_BYTES_MAX: usize = 32;

/// Which version of a plugin is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one that `stable` names; the newest usable one where nothing was promoted.
    Promoted,
    /// Exactly this one.
    Version(semver::Version),
    /// The one that the alias names.
    Alias(Alias),
}

/// A name for versions that can be moved from one to the next, `[a-z][a-z0-9-]{0,31}`. No version is spelled like that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias(String);

impl Alias {
    /// The alias that a plugin's name alone means, once somebody has promoted a version to it.
    #[must_use]
    pub fn stable() -> Self {
        Self("stable".to_owned())
    }

    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A plugin by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRef {
    /// Name of the team that shares it; absent for the team's own plugins and for those that are shipped.
    pub owner: Option<String>,
    /// Name of the plugin.
    pub name: String,
    /// Which version of it.
    pub which: Which,
}

/// Text that names no plugin or version. Correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a plugin: write `name`, `name@1.2.0`, `name@alias` or `team/name@1.2.0`")]
pub struct InvalidPluginRef(String);

impl PluginRef {
    /// A plugin of the team itself, or one that is shipped.
    #[must_use]
    pub fn own(name: &str, which: Which) -> Self {
        Self { owner: None, name: name.to_owned(), which }
    }

    /// The same plugin, in another version.
    #[must_use]
    pub fn at(&self, which: Which) -> Self {
        Self { which, ..self.clone() }
    }

    /// `[team/]name`, without the version.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.owner.as_ref().map_or_else(|| self.name.clone(), |owner| format!("{owner}/{}", self.name))
    }
}

impl FromStr for Alias {
    type Err = InvalidPluginRef;

    fn from_str(text: &str) -> Result<Self, InvalidPluginRef> {
        let is_alias = (1..=ALIAS_BYTES_MAX).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if is_alias { Ok(Self(text.to_owned())) } else { Err(InvalidPluginRef(shown(text))) }
    }
}

impl FromStr for Which {
    type Err = InvalidPluginRef;

    fn from_str(text: &str) -> Result<Self, InvalidPluginRef> {
        match semver::Version::parse(text) {
            Ok(version) => Ok(Self::Version(version)),
            Err(_) => text.parse().map(Self::Alias),
        }
    }
}

impl FromStr for PluginRef {
    type Err = InvalidPluginRef;

    fn from_str(text: &str) -> Result<Self, InvalidPluginRef> {
        // A team's name may hold a slash, the rest cannot.
        let (owner, rest) = text.rsplit_once('/').map_or((None, text), |(owner, rest)| (Some(owner), rest));
        let (name, which) = match rest.split_once('@') {
            Some((name, which)) => (name, which.parse()?),
            None => (rest, Which::Promoted),
        };
        if name.is_empty() || owner.is_some_and(|owner| owner.trim().is_empty()) {
            return Err(InvalidPluginRef(shown(text)));
        }
        Ok(Self { owner: owner.map(str::to_owned), name: name.to_owned(), which })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promoted => Ok(()),
            Self::Version(version) => write!(formatter, "{version}"),
            Self::Alias(alias) => formatter.write_str(alias.as_str()),
        }
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.full_name())?;
        match &self.which {
            Which::Promoted => Ok(()),
            which => write!(formatter, "@{which}"),
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_with_or_without_team_and_version() {
        for text in ["rule", "rule@1.2.0-rc.1", "rule@stable", "Red Racing/rule", "A/B/rule@canary-2", "a@b/rule@1.0.0"]
        {
            assert_eq!(text.parse::<PluginRef>().unwrap().to_string(), text);
        }
        let found: PluginRef = "A/B/rule@1.0.0".parse().unwrap();
        assert_eq!((found.owner.as_deref(), found.name.as_str()), (Some("A/B"), "rule"));
        assert_eq!(found.which, Which::Version(semver::Version::new(1, 0, 0)));
    }

    #[test]
    fn what_is_neither_version_nor_alias_is_refused() {
        for text in ["", "@1.0.0", "/rule", " /rule", "rule@", "rule@1.0", "rule@Stable", "rule@9lives", "team/"] {
            assert!(text.parse::<PluginRef>().is_err(), "{text}");
        }
        assert!("a".repeat(32).parse::<Alias>().is_ok() && "a".repeat(33).parse::<Alias>().is_err());
    }
}
