//! `safelight gateway serve`: answers phones.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use safelight_gateway::{
    AzureEnvironment, CertificateFiles, Durability, GatewayOptions, GatewayServer, HttpOptions,
    LONGEST_GRANT, RemoteAddress, SHORTEST_GRANT, Upstream,
};

use super::gateway::Tokens;
use super::remote::given_credential;
use crate::context::Context;
use crate::diagnostics;
use crate::failure::Failure;

/// How often somebody's wish to stop is looked for.
const NAP: Duration = Duration::from_millis(200);
/// How much is relayed of a file whose length was not declared.
const MOST_RELAYED_BYTES: u64 = 4_000_000_000;

/// The remote that it is about.
#[derive(Debug, Clone, Args)]
pub(crate) struct At {
    /// The container, bucket or folder that phones upload to
    #[arg(long, value_name = "ADDRESS")]
    remote: Option<String>,
    /// A file with the SAS, keys or password; without one Azure takes the identity of this machine
    #[arg(long, value_name = "FILE")]
    credential_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    at: At,
    /// Listen here
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// The certificate, with its chain, as PEM; read again when it is renewed
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS: plain HTTP is allowed beyond this machine
    #[arg(long, conflicts_with = "tls_cert")]
    behind_proxy: bool,
    /// Where phones reach it; needed where uploads go through it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// What the names of plain files begin with
    #[arg(long, value_name = "NAME", default_value = "mobile-import")]
    prefix: String,
    /// How long a grant holds, 1m to 60m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = valid_for)]
    valid_for: Duration,
    /// Make what was granted durable in this folder, and send it from there [default: beside the token file]
    #[arg(long, value_name = "DIR", conflicts_with = "stateless")]
    journal: Option<PathBuf>,
    /// Make what was granted durable in the remote before answering: for a machine whose disk does not last
    #[arg(long)]
    stateless: bool,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    most_connections: usize,
    /// Print the OpenAPI document of the routes, and serve nothing
    #[arg(long, hide = true)]
    openapi: bool,
    #[command(flatten)]
    tokens: Tokens,
}

pub(super) fn run(context: &Context, serve: &Serve) -> Result<(), Failure> {
    if serve.openapi {
        return Ok(context.output.print_json(&safelight_gateway::document())?);
    }
    context.refuse_dry_run("gateway serve", "it changes nothing by itself")?;
    // With --verbose more is told already.
    diagnostics::tell_failures(context.output);
    let tokens = serve.tokens.file(context)?;
    let beside = |name: &str| tokens.path().with_file_name(name);
    let durability = match (&serve.journal, serve.stateless) {
        (_, true) => Durability::Remote,
        (Some(folder), false) => Durability::Disk(std::path::absolute(folder)?),
        (None, false) => Durability::Disk(beside("journal")),
    };
    let files = serve.tls_cert.clone().zip(serve.tls_key.clone());
    let options = GatewayOptions {
        listen: serve.listen,
        certificate: files.map(|(certificate, key)| CertificateFiles { certificate, key }),
        behind_proxy: serve.behind_proxy,
        public_url: serve.public_url.clone(),
        prefix: serve.prefix.clone(),
        valid_for: serve.valid_for,
        durability,
        temporary: std::env::temp_dir(),
        most_relayed_bytes: MOST_RELAYED_BYTES,
        most_connections: serve.most_connections,
    };
    let upstream = serve.at.upstream(context)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = GatewayServer::bind(tokens, upstream, options).await?;
        announce(context, &server)?;
        server.run(until_interrupted(context)).await;
        Ok::<_, Failure>(())
    })?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(())
}

impl At {
    pub(super) fn upstream(&self, context: &Context) -> Result<Upstream, Failure> {
        let Some(address) = &self.remote else { return Err(Failure::usage("--remote ADDRESS is missing")) };
        let (parsed, in_address) =
            RemoteAddress::parse(address).map_err(|error| Failure::usage(error.to_string()))?;
        if in_address.is_some() {
            return Err(Failure::usage("the address holds a SAS, which others on this machine can see")
                .hint("put it into a file, and pass --credential-file FILE"));
        }
        Ok(Upstream {
            address: parsed,
            credential: given_credential(context, Some(address), self.credential_file.as_deref())?,
            azure: AzureEnvironment::from_lookup(|name| std::env::var_os(name)),
            http: HttpOptions::default(),
        })
    }
}

fn announce(context: &Context, server: &GatewayServer) -> Result<(), Failure> {
    let (address, way) = (server.address(), server.way());
    if context.output.json() {
        let told = serde_json::json!({ "address": address.to_string(), "port": address.port(), "way": way });
        return Ok(context.output.print_json(&told)?);
    }
    context.output.data(&address.to_string())?;
    let how = match way {
        "sas" => "Phones upload to Azure directly, by a SAS for one blob.",
        "presigned" => {
            "Phones send sealed uploads to the bucket directly, by presigned addresses; plain files go through here."
        }
        _ => "Uploads go through here.",
    };
    context.output.talk(&format!("{how} Ctrl-C ends it."));
    Ok(())
}

fn valid_for(text: &str) -> Result<Duration, String> {
    let time = super::unlock::duration(text)?;
    let is_fine = (SHORTEST_GRANT..=LONGEST_GRANT).contains(&time);
    if is_fine { Ok(time) } else { Err("a grant holds for 1m to 60m".to_owned()) }
}

async fn until_interrupted(context: &Context) {
    while !context.interrupted() {
        tokio::time::sleep(NAP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_holds_for_one_to_sixty_minutes() {
        for (text, seconds) in [("60s", 60), ("10m", 600), ("60m", 3600), ("1h", 3600)] {
            assert_eq!(valid_for(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["59s", "61m", "2h", "0m", "", "x"] {
            assert!(valid_for(text).is_err(), "{text}");
        }
    }
}
