//! The sources of an identity, one small protocol each.
//!
//! * client secret, client certificate, workload identity: Microsoft identity platform, client credentials
//!   (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>);
//! * App Service: `IDENTITY_ENDPOINT`, `api-version=2019-08-01`;
//! * virtual machines: the metadata address, looked for one second;
//! * the Azure CLI: `az account get-access-token`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::environment::AzureEnvironment;
use super::identity::IdentityError;
use crate::credential::SecretText;
use crate::http::{Http, Reply, encode};

/// What tokens for storage are for.
pub(super) const STORAGE: &str = "https://storage.azure.com";
const AUTHORITY: &str = "https://login.microsoftonline.com";
const METADATA_HOST: &str = "http://169.254.169.254";
/// How long the metadata address is looked for; on a machine elsewhere nobody answers.
const METADATA_PROBE: Duration = Duration::from_secs(1);
/// How long the Azure CLI may take; it starts a Python.
const CLI_WITHIN: Duration = Duration::from_secs(13);
/// How long a token is used whose end is past all reason.
const LONGEST_VALIDITY: Duration = Duration::from_secs(86_400);
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A bearer token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: SecretText,
    pub(crate) expires: SystemTime,
}

/// What a source that was not refused said.
pub(super) enum Answer {
    Token(Token),
    /// It is not there, for this reason.
    Absent(String),
}

/// A source of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Secret,
    Certificate,
    Workload,
    AppService,
    Metadata,
    Cli,
}

impl Source {
    /// In the order in which they are asked.
    pub(super) const ALL: [Self; 6] =
        [Self::Secret, Self::Certificate, Self::Workload, Self::AppService, Self::Metadata, Self::Cli];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Secret => "a client secret from the environment",
            Self::Certificate => "a client certificate from the environment",
            Self::Workload => "a workload identity",
            Self::AppService => "the managed identity of App Service",
            Self::Metadata => "the managed identity of this virtual machine",
            Self::Cli => "the Azure CLI",
        }
    }

    /// Asks for a token for a resource, an address without a slash at its end.
    pub(super) async fn ask(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
    ) -> Result<Answer, IdentityError> {
        match self {
            Self::Secret => self.ask_with_secret(environment, http, resource).await,
            Self::Certificate => self.ask_with_certificate(environment, http, resource).await,
            Self::Workload => self.ask_with_workload(environment, http, resource).await,
            Self::AppService => self.ask_app_service(environment, http, resource).await,
            Self::Metadata => self.ask_metadata(environment, http, resource).await,
            Self::Cli => self.ask_cli(environment, resource).await,
        }
    }

    fn refused(self, message: impl Into<String>) -> IdentityError {
        IdentityError::Refused { source_name: self.name(), message: message.into() }
    }

    fn unreachable(self, message: impl Into<String>) -> IdentityError {
        IdentityError::Unreachable { source_name: self.name(), message: message.into() }
    }

    async fn ask_with_secret(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
    ) -> Result<Answer, IdentityError> {
        let Some(secret) = &environment.client_secret else {
            return Ok(Answer::Absent("AZURE_CLIENT_SECRET is not set".to_owned()));
        };
        let proof = [("client_secret", secret.expose())];
        self.ask_authority(environment, http, resource, &proof).await
    }

    async fn ask_with_certificate(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
    ) -> Result<Answer, IdentityError> {
        let Some(path) = &environment.client_certificate_path else {
            return Ok(Answer::Absent("AZURE_CLIENT_CERTIFICATE_PATH is not set".to_owned()));
        };
        let pem = zeroize::Zeroizing::new(
            tokio::fs::read_to_string(path)
                .await
                .map_err(|error| self.refused(format!("{} could not be read: {error}", path.display())))?,
        );
        let client = self.client_id(environment)?;
        let endpoint = self.endpoint(environment)?;
        let assertion = super::certificate::assertion(&pem, client, &endpoint, SystemTime::now())
            .map_err(|why| self.refused(format!("{}: {why}", path.display())))?;
        let proof = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.expose())];
        self.ask_authority(environment, http, resource, &proof).await
    }

    async fn ask_with_workload(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
    ) -> Result<Answer, IdentityError> {
        let Some(path) = &environment.federated_token_file else {
            return Ok(Answer::Absent("AZURE_FEDERATED_TOKEN_FILE is not set".to_owned()));
        };
        // Read every time: the cluster replaces it.
        let assertion = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| self.refused(format!("{} could not be read: {error}", path.display())))?;
        let proof = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.trim())];
        self.ask_authority(environment, http, resource, &proof).await
    }

    fn client_id(self, environment: &AzureEnvironment) -> Result<&str, IdentityError> {
        environment.client_id.as_deref().ok_or_else(|| self.refused("AZURE_CLIENT_ID is not set"))
    }

    fn endpoint(self, environment: &AzureEnvironment) -> Result<String, IdentityError> {
        let tenant =
            environment.tenant_id.as_deref().ok_or_else(|| self.refused("AZURE_TENANT_ID is not set"))?;
        if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
            return Err(self.refused("AZURE_TENANT_ID is no tenant"));
        }
        let authority = environment.authority_host.as_deref().unwrap_or(AUTHORITY).trim_end_matches('/');
        if !authority.starts_with("https://") && !authority.starts_with("http://127.0.0.1:") {
            return Err(self.refused("AZURE_AUTHORITY_HOST is not https:"));
        }
        Ok(format!("{authority}/{tenant}/oauth2/v2.0/token"))
    }

    async fn ask_authority(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
        proof: &[(&str, &str)],
    ) -> Result<Answer, IdentityError> {
        let client = self.client_id(environment)?;
        let scope = format!("{resource}/.default");
        let fields = [("grant_type", "client_credentials"), ("client_id", client), ("scope", scope.as_str())];
        let form: Vec<String> =
            fields.iter().chain(proof).map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = http
            .request(reqwest::Method::POST, &self.endpoint(environment)?)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        let reply = http.send(request).await.map_err(|fault| self.unreachable(fault.to_string()))?;
        self.read(reply).await.map(Answer::Token)
    }

    async fn ask_app_service(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
    ) -> Result<Answer, IdentityError> {
        let (Some(endpoint), Some(header)) = (&environment.identity_endpoint, &environment.identity_header)
        else {
            return Ok(Answer::Absent("IDENTITY_ENDPOINT is not set".to_owned()));
        };
        let url = with_identity(&format!("{endpoint}?api-version=2019-08-01"), resource, environment);
        let request = http.request(reqwest::Method::GET, &url).header("x-identity-header", header.expose());
        let reply = http.send(request).await.map_err(|fault| self.unreachable(fault.to_string()))?;
        self.read(reply).await.map(Answer::Token)
    }

    async fn ask_metadata(
        self,
        environment: &AzureEnvironment,
        http: &Http,
        resource: &str,
    ) -> Result<Answer, IdentityError> {
        let host = environment.metadata_host.as_deref().unwrap_or(METADATA_HOST).trim_end_matches('/');
        let url = format!("{host}/metadata/identity/oauth2/token?api-version=2018-02-01");
        let url = with_identity(&url, resource, environment);
        // Without its header the service refuses at once: that is all the first look needs.
        let probe = http.send(http.request(reqwest::Method::GET, &url));
        if !matches!(tokio::time::timeout(METADATA_PROBE, probe).await, Ok(Ok(_))) {
            return Ok(Answer::Absent("this is no Azure virtual machine".to_owned()));
        }
        let request = http.request(reqwest::Method::GET, &url).header("metadata", "true");
        let reply = http.send(request).await.map_err(|fault| self.unreachable(fault.to_string()))?;
        if reply.status() == 400 && environment.client_id.is_none() {
            return Ok(Answer::Absent("this virtual machine has no managed identity".to_owned()));
        }
        self.read(reply).await.map(Answer::Token)
    }

    async fn ask_cli(self, environment: &AzureEnvironment, resource: &str) -> Result<Answer, IdentityError> {
        let Some(program) = find_cli(environment) else {
            return Ok(Answer::Absent("the Azure CLI is not installed".to_owned()));
        };
        let mut command = tokio::process::Command::new(program);
        command.args(["account", "get-access-token", "--output", "json", "--resource", resource]);
        if let Some(tenant) = &environment.tenant_id {
            command.args(["--tenant", tenant]);
        }
        command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
        let own = [
            ("PATH", environment.search_path.as_deref()),
            ("HOME", environment.home.as_deref().map(Path::as_os_str)),
            ("AZURE_CONFIG_DIR", environment.cli_config.as_deref().map(Path::as_os_str)),
        ];
        command.envs(own.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let output = match tokio::time::timeout(CLI_WITHIN, command.output()).await {
            Ok(output) => {
                output.map_err(|error| self.refused(format!("it could not be started: {error}")))?
            }
            Err(_) => return Err(self.unreachable(format!("no answer within {} s", CLI_WITHIN.as_secs()))),
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("az login") || said.contains("az account set") {
                return Ok(Answer::Absent("nobody is signed in with the Azure CLI (az login)".to_owned()));
            }
            return Err(self.refused(first_line(&said)));
        }
        let answer: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| self.refused("its answer is not the JSON that is expected"))?;
        self.token(&answer).map(Answer::Token)
    }

    /// Reads the answer of a token endpoint.
    async fn read(self, reply: Reply) -> Result<Token, IdentityError> {
        let status = reply.status();
        let answer: Value = serde_json::from_str(&reply.text().await).unwrap_or_default();
        match status {
            200 => self.token(&answer),
            408 | 429 | 500..=599 => Err(self.unreachable(format!("it answered {status}"))),
            _ => {
                let said = answer
                    .get("error_description")
                    .or_else(|| answer.get("message"))
                    .or_else(|| answer.get("error"));
                let said = said
                    .and_then(Value::as_str)
                    .map_or_else(String::new, |said| format!(": {}", first_line(said)));
                Err(self.refused(format!("it answered {status}{said}")))
            }
        }
    }

    fn token(self, answer: &Value) -> Result<Token, IdentityError> {
        let text = ["access_token", "accessToken"].iter().find_map(|name| answer.get(name)?.as_str());
        let text =
            text.filter(|text| !text.is_empty()).ok_or_else(|| self.refused("its answer holds no token"))?;
        let number = |name: &str| {
            let value = answer.get(name)?;
            value.as_u64().or_else(|| value.as_str()?.parse().ok())
        };
        let now = SystemTime::now();
        let expires = match (number("expires_on"), number("expires_in")) {
            (Some(at), _) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)),
            (None, Some(left)) => now.checked_add(Duration::from_secs(left)),
            // The old CLI says a local time only; its tokens hold at least five minutes more.
            (None, None) => now.checked_add(Duration::from_secs(600)),
        };
        // A time that no clock reaches is not believed further than a day.
        let expires = expires.unwrap_or(now + LONGEST_VALIDITY);
        Ok(Token { text: SecretText::new(text), expires })
    }
}

fn with_identity(url: &str, resource: &str, environment: &AzureEnvironment) -> String {
    let url = format!("{url}&resource={}", encode(resource));
    environment
        .client_id
        .as_ref()
        .map_or_else(|| url.clone(), |client| format!("{url}&client_id={}", encode(client)))
}

fn find_cli(environment: &AzureEnvironment) -> Option<PathBuf> {
    let name = if cfg!(windows) { "az.cmd" } else { "az" };
    let folders = std::env::split_paths(environment.search_path.as_deref()?);
    folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The first line of a message, without what only its author understands, and not endless.
fn first_line(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or_default();
    line.chars().take(300).collect()
}
