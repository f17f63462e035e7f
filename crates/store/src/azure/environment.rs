//! What of the process's surroundings decides which identity is used; filled by `cli`, never read here.

use std::path::PathBuf;

use crate::credential::SecretText;

/// The variables that Azure's own tools agree on.
#[derive(Debug, Clone, Default)]
pub struct AzureEnvironment {
    /// `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<SecretText>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`: a PEM file with the certificate and its RSA key.
    pub client_certificate_path: Option<PathBuf>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`, for other clouds.
    pub authority_host: Option<String>,
    /// `IDENTITY_ENDPOINT` of App Service and its kin.
    pub identity_endpoint: Option<String>,
    /// `IDENTITY_HEADER` of App Service and its kin.
    pub identity_header: Option<SecretText>,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`, in place of the metadata address of virtual machines.
    pub metadata_host: Option<String>,
    /// `PATH`, to find the Azure CLI.
    pub search_path: Option<std::ffi::OsString>,
    /// `HOME`, where the Azure CLI keeps who is signed in.
    pub home: Option<PathBuf>,
    /// `AZURE_CONFIG_DIR`, in place of that.
    pub cli_config: Option<PathBuf>,
}

impl AzureEnvironment {
    /// Asks `lookup` for each variable; empty values count as absent.
    #[must_use]
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let os = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let text = |name: &str| os(name).and_then(|value| value.into_string().ok());
        Self {
            tenant_id: text("AZURE_TENANT_ID"),
            client_id: text("AZURE_CLIENT_ID"),
            client_secret: text("AZURE_CLIENT_SECRET").map(SecretText::new),
            client_certificate_path: os("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from),
            federated_token_file: os("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            authority_host: text("AZURE_AUTHORITY_HOST"),
            identity_endpoint: text("IDENTITY_ENDPOINT"),
            identity_header: text("IDENTITY_HEADER").map(SecretText::new),
            metadata_host: text("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
            search_path: os("PATH"),
            home: os("HOME").map(PathBuf::from),
            cli_config: os("AZURE_CONFIG_DIR").map(PathBuf::from),
        }
    }
}
