//! Which server a command talks to, and with which key.

use clap::Args;

use super::client::Client;

/// The server and the key, from flags or the environment.
#[derive(Debug, Args)]
pub struct RemoteArgs {
    /// Address of the server.
    #[arg(long, env = "PADDOCK_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// API key. Prefer the environment variable: other users of the machine can see flags.
    #[arg(long, env = "PADDOCK_API_KEY", hide_env_values = true)]
    key: String,
}

impl RemoteArgs {
    /// A client of that server.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.server, &self.key)
    }
}
