//! Where a webhook leads: a URL that has been checked. Names are resolved later, at every send.

use url::{Host, Url};

use super::{address, limits::WebhooksConfig};

/// A URL that a webhook may have under the settings it was checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a URL cannot be a webhook's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetRefused {
    /// Shorten it.
    #[error("the URL is longer than {limit} characters")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Correct it.
    #[error("this is not a URL: {0}")]
    NotAUrl(url::ParseError),
    /// Use `https:`.
    #[error("the URL must begin with {expected}")]
    Scheme {
        /// What is allowed.
        expected: &'static str,
    },
    /// Leave them out: whoever reads the webhook would read them.
    #[error("the URL has a user name or password; the signature proves who sends")]
    Credentials,
    /// Leave it out: it is not sent.
    #[error("the URL has a fragment (`#`), which is never sent")]
    Fragment,
    /// Use an address that can be reached from everywhere.
    #[error("the URL leads to {host}, which is {meaning}")]
    Special {
        /// The host.
        host: String,
        /// What is special about it.
        meaning: &'static str,
    },
}

impl WebhookUrl {
    /// Checks a URL that somebody gave, or that was stored under other settings.
    ///
    /// # Errors
    /// [`TargetRefused`], with what to change.
    pub fn parse(text: &str, config: &WebhooksConfig) -> Result<Self, TargetRefused> {
        if text.chars().count() > config.url_chars_max {
            return Err(TargetRefused::TooLong { limit: config.url_chars_max });
        }
        let url = Url::parse(text.trim()).map_err(TargetRefused::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if config.allow_http => {}
            _ if config.allow_http => return Err(TargetRefused::Scheme { expected: "https: or http:" }),
            _ => return Err(TargetRefused::Scheme { expected: "https:" }),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetRefused::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetRefused::Fragment);
        }
        match special_host(&url) {
            Some((host, meaning)) if !config.allow_private => Err(TargetRefused::Special { host, meaning }),
            _ => Ok(Self(url)),
        }
    }

    /// The URL as text, in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL.
    pub(super) const fn url(&self) -> &Url {
        &self.0
    }
}

/// The host where it is special, and what it is. The parser has brought all ways to write an address to one.
fn special_host(url: &Url) -> Option<(String, &'static str)> {
    let meaning = match url.host()? {
        Host::Ipv4(literal) => address::special(literal.into()),
        Host::Ipv6(literal) => address::special(literal.into()),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            // RFC 6761: these mean the machine itself, whatever a name server says.
            (name == "localhost" || name.ends_with(".localhost")).then_some("this machine")
        }
    };
    meaning.map(|meaning| (url.host_str().unwrap_or_default().to_owned(), meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> TargetRefused {
        WebhookUrl::parse(text, &WebhooksConfig::default()).unwrap_err()
    }

    #[test]
    fn a_public_https_url_is_taken_with_its_port_and_query() {
        let url = WebhookUrl::parse("https://Hooks.example.com:8443/a?b=c", &WebhooksConfig::default()).unwrap();
        assert_eq!(url.as_str(), "https://hooks.example.com:8443/a?b=c");
    }

    #[test]
    fn http_is_taken_only_where_the_operator_allows_it() {
        let plain = "http://hooks.example.com/";
        assert_eq!(refused(plain), TargetRefused::Scheme { expected: "https:" });
        let open = WebhooksConfig { allow_http: true, ..WebhooksConfig::default() };
        assert!(WebhookUrl::parse(plain, &open).is_ok());
        assert!(matches!(WebhookUrl::parse("ftp://example.com/", &open), Err(TargetRefused::Scheme { .. })));
    }

    #[test]
    fn this_machine_is_found_in_every_disguise() {
        let disguises = [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "0",
            "%31%32%37.0.0.1",
            "127。0。0。1",
        ];
        let open = WebhooksConfig { allow_private: true, ..WebhooksConfig::default() };
        for host in disguises {
            let url = format!("https://{host}/");
            assert!(matches!(refused(&url), TargetRefused::Special { .. }), "{host}");
            assert!(WebhookUrl::parse(&url, &open).is_ok(), "{host}");
        }
    }

    #[test]
    fn what_would_be_shown_or_lost_is_refused() {
        assert_eq!(refused("https://user@example.com/"), TargetRefused::Credentials);
        assert_eq!(refused("https://:secret@example.com/"), TargetRefused::Credentials);
        assert_eq!(refused("https://example.com/#part"), TargetRefused::Fragment);
        assert!(matches!(refused("example.com/hook"), TargetRefused::NotAUrl(_)));
        assert!(matches!(refused(""), TargetRefused::NotAUrl(_)));
    }

    #[test]
    fn a_url_at_the_limit_is_taken_and_one_past_it_is_refused() {
        let config = WebhooksConfig { url_chars_max: 25, ..WebhooksConfig::default() };
        assert!(WebhookUrl::parse("https://example.com/12345", &config).is_ok());
        let long = WebhookUrl::parse("https://example.com/123456", &config);
        assert_eq!(long, Err(TargetRefused::TooLong { limit: 25 }));
    }
}
