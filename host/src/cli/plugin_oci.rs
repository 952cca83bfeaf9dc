//! `paddock plugin push` and `pull` with an OCI registry: a plugin as a Wasm OCI artifact, the layout that other tools for components
//! use too. Servers of paddock are no registries.

use std::{
    fs,
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, TryStreamExt as _};
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    errors::{OciDistributionError, OciErrorCode},
    manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest},
    secrets::RegistryAuth,
};
use serde_json::json;

use super::block_on;
use crate::{
    domain::plugin::PluginDescription,
    plugins::{Admitted, PluginLimits, hash_of, interfaces_of},
};

/// How a reference to a registry begins.
pub const SCHEME: &str = "oci://";

/// Media types of a component and of what is said about it, as the Wasm OCI artifact layout has them.
const WASM: &str = "application/wasm";
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// The registry, and who asks it.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Who to log in as; nobody where absent.
    #[arg(long, env = "PADDOCK_OCI_USERNAME", requires = "password")]
    username: Option<String>,
    /// Password or token. Prefer the environment variable: other users of the machine can see flags.
    #[arg(long, env = "PADDOCK_OCI_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Speak HTTP without TLS; registries on this machine are spoken to so in any case.
    #[arg(long)]
    plain_http: bool,
}

/// A plugin to fetch.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// What to fetch: `oci://HOST/REPOSITORY:TAG`, or the exact bytes with `oci://HOST/REPOSITORY@sha256:DIGEST`.
    #[arg(value_parser = reference)]
    source: Reference,
    /// File to write; the last part of the repository's name and `.wasm` where absent. It must not be there.
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Reads `oci://HOST/REPOSITORY:TAG` or `oci://HOST/REPOSITORY@sha256:DIGEST`.
///
/// # Errors
/// What it should look like.
pub fn reference(text: &str) -> Result<Reference> {
    let form = "oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST";
    let rest = text.strip_prefix(SCHEME).with_context(|| format!("a registry is written as {form}"))?;
    rest.parse().map_err(|error| anyhow!("{error}; a registry is written as {form}"))
}

impl RegistryArgs {
    fn client(&self, registry: &str) -> Result<Client> {
        // Fails only where a provider is installed already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let is_plain = self.plain_http || is_on_this_machine(registry);
        let config = ClientConfig {
            protocol: if is_plain { ClientProtocol::Http } else { ClientProtocol::Https },
            user_agent: concat!("paddock/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).context("the TLS of this machine cannot be set up")
    }

    fn auth(&self) -> RegistryAuth {
        match (&self.username, &self.password) {
            (Some(username), Some(password)) => RegistryAuth::Basic(username.clone(), password.clone()),
            _ => RegistryAuth::Anonymous,
        }
    }
}

/// Whether a registry's host is this machine, so that nobody listens in between.
fn is_on_this_machine(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Checks a component as a server would, pushes it, and says how to pin it.
///
/// # Errors
/// Where the component would be refused, or the registry does not take it.
pub fn push(wasm: Vec<u8>, admitted: &Admitted, target: &Reference, registry: &RegistryArgs) -> Result<()> {
    if target.digest().is_some() {
        bail!("a digest is what a push ends with\n  what to do: push to a tag, such as oci://HOST/REPOSITORY:1.0.0");
    }
    let (layer, config, manifest) = artifact(wasm, &admitted.description)?;
    let client = registry.client(target.resolve_registry())?;
    block_on(async {
        client
            .push(target, &[layer], config, &registry.auth(), Some(manifest))
            .await
            .map_err(|error| told(error, target))?;
        // The registry's word for what a tag names now, which is what others will pin.
        let digest =
            client.fetch_manifest_digest(target, &registry.auth()).await.map_err(|error| told(error, target))?;
        let label = admitted.plugin.label();
        println!("{label} is at {SCHEME}{target}\n  pinned  {SCHEME}{}", pinned(target, &digest));
        Ok(())
    })
}

/// The artifact of a plugin. It depends on the component alone, so pushing the same bytes twice gives the same digest.
fn artifact(wasm: Vec<u8>, description: &PluginDescription) -> Result<(ImageLayer, Config, OciImageManifest)> {
    let interfaces = interfaces_of(&wasm);
    let layer = ImageLayer::new(wasm, WASM.to_owned(), None);
    let about = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer.sha256_digest()],
        "component": { "exports": interfaces.exports, "imports": interfaces.imports, "target": null },
    });
    let config = Config::new(serde_json::to_vec(&about)?, WASM_CONFIG.to_owned(), None);
    let annotations = [
        ("org.opencontainers.image.title", &description.name),
        ("org.opencontainers.image.version", &description.version),
        ("org.opencontainers.image.description", &description.summary),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.clone()));
    let manifest = OciImageManifest::build(std::slice::from_ref(&layer), &config, Some(annotations.into()));
    Ok((layer, config, OciImageManifest { media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()), ..manifest }))
}

/// Fetches a plugin into a file. What arrives is what its digests say, and not larger than an upload may be.
///
/// # Errors
/// Where the registry does not have it, it is something else, or the file cannot be written.
pub fn pull(args: &PullArgs, limits: &PluginLimits) -> Result<()> {
    let source = &args.source;
    let client = args.registry.client(source.resolve_registry())?;
    let (wasm, digest) = block_on(async {
        let auth = args.registry.auth();
        let (manifest, digest) =
            client.pull_image_manifest(source, &auth).await.map_err(|error| told(error, source))?;
        let layer = component_layer(&manifest, limits)?;
        let stream = client.pull_blob_stream(source, layer).await.map_err(|error| told(error, source))?;
        Ok((received(stream.stream, layer.size, source).await?, digest))
    })?;
    let output = args.output.clone().unwrap_or_else(|| default_file(source));
    let mut file = fs::File::create_new(&output)
        .with_context(|| format!("cannot write {}\n  what to do: name another file with --output", output.display()))?;
    file.write_all(&wasm)?;
    let size = wasm.len().div_ceil(1024);
    println!("{} ({size} KiB)\n  sha256  {}", output.display(), hash_of(&wasm));
    println!("  pinned  {SCHEME}{}\n  next    paddock plugin check {}", pinned(source, &digest), output.display());
    Ok(())
}

/// The one layer of a Wasm artifact.
fn component_layer<'a>(manifest: &'a OciImageManifest, limits: &PluginLimits) -> Result<&'a OciDescriptor> {
    let [layer] = manifest.layers.as_slice() else {
        bail!("it has {} layers; a plugin has one", manifest.layers.len());
    };
    if layer.media_type != WASM {
        bail!("it is `{}`, not a WebAssembly component ({WASM})", layer.media_type);
    }
    let most = limits.component_bytes_max;
    if usize::try_from(layer.size).is_ok_and(|size| size <= most) {
        return Ok(layer);
    }
    bail!("it has {} bytes, the limit is component_bytes_max = {most}", layer.size)
}

/// The bytes of a stream that checks their digest at its end; a registry that sends more than it said is not listened to.
async fn received(
    mut stream: impl Stream<Item = io::Result<Bytes>> + Unpin,
    size: i64,
    source: &Reference,
) -> Result<Vec<u8>> {
    let mut wasm = Vec::new();
    while let Some(chunk) =
        stream.try_next().await.with_context(|| format!("{SCHEME}{source} cannot be fetched whole"))?
    {
        wasm.extend_from_slice(&chunk);
        if wasm.len() as i64 > size {
            bail!(
                "{SCHEME}{source} goes on after the {size} bytes that the registry said\n  what to do: do not use it"
            );
        }
    }
    Ok(wasm)
}

fn default_file(source: &Reference) -> PathBuf {
    let name = Path::new(source.repository()).file_name().unwrap_or_default();
    Path::new(name).with_added_extension("wasm")
}

/// The exact bytes behind a reference, as another reference.
fn pinned(reference: &Reference, digest: &str) -> Reference {
    reference.clone_with_digest(digest.to_owned())
}

/// Whether a registry wants to know who asks, or does not let them; registries say so in many ways.
fn is_about_login(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => true,
        OciDistributionError::ServerError { code, .. } => matches!(code, 401 | 403),
        OciDistributionError::RegistryError { envelope, .. } => {
            let codes = envelope.errors.iter().map(|error| &error.code);
            codes.into_iter().any(|code| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
        }
        _ => false,
    }
}

/// What a registry's answer means for whoever asked.
fn told(error: OciDistributionError, reference: &Reference) -> anyhow::Error {
    use OciDistributionError as Said;
    let action = match &error {
        error if is_about_login(error) => {
            "set PADDOCK_OCI_USERNAME and PADDOCK_OCI_PASSWORD to an account that may do this"
        }
        Said::ImageManifestNotFoundError(_) | Said::RegistryError { .. } => {
            "check the repository's name, the tag or the digest"
        }
        Said::DigestError(_) => "do not use it: the registry has other bytes than it says",
        Said::RequestError(_) => "check the host, and whether it needs --plain-http",
        _ => "check that the host is an OCI registry",
    };
    let causes = anyhow::Error::new(error);
    anyhow!("{SCHEME}{reference}: {causes:#}\n  what to do: {action}")
}
