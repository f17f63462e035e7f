//! Where a remote is: the addresses of `remote add`, read and printed.
//!
//! Invariant: a [`RemoteAddress`] holds nothing secret. What an address text carries behind its question
//! mark to prove a permission (a SAS) is split off as a [`RemoteCredential`] when it is read.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

use crate::credential::RemoteCredential;
use crate::http::{decode, encode, encode_path};
use crate::name::Key;

/// The domain of Azure Blob accounts in the public cloud.
const AZURE_DOMAIN: &str = ".blob.core.windows.net";

/// A text that is no address of a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}, for example {example}")]
pub struct AddressError {
    /// The rule that is broken. The text itself is not kept: it may hold a secret.
    pub rule: &'static str,
    /// How a good one looks.
    pub example: &'static str,
}

const AZURE_EXAMPLE: &str = "azure://account/container/prefix";
const S3_EXAMPLE: &str = "s3://bucket/prefix?endpoint=https://host&region=eu-central-1";
const WEBDAV_EXAMPLE: &str = "webdavs://host/path";
const SFTP_EXAMPLE: &str = "sftp://user@host/path";
const FOLDER_EXAMPLE: &str = "folder:/mnt/drive/photos";
const FILE_EXAMPLE: &str = "file:/mnt/drive/photos.tar";

const fn broken(rule: &'static str, example: &'static str) -> AddressError {
    AddressError { rule, example }
}

/// Where a remote is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteAddress {
    /// A container of Azure Blob Storage.
    Azure(AzureAddress),
    /// A bucket of S3 or a look-alike.
    S3(S3Address),
    /// A folder of a WebDAV server.
    WebDav(WebDavAddress),
    /// A folder behind SSH.
    Sftp(SftpAddress),
    /// A folder in Dropbox.
    Dropbox(CloudAddress),
    /// A folder in Google Drive.
    GoogleDrive(CloudAddress),
    /// A folder in OneDrive.
    OneDrive(CloudAddress),
    /// A folder of this machine: an external drive, or what another program syncs.
    Folder(PathBuf),
    /// A sealed copy in one file of this machine.
    File(PathBuf),
}

/// A container of Azure Blob Storage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AzureAddress {
    /// Scheme, host and port, and for addresses by number the account: where containers are.
    pub service: String,
    /// The account's name.
    pub account: String,
    /// The container's name.
    pub container: String,
    /// What every name begins with, without a slash at its ends; empty for none.
    pub prefix: String,
}

/// A bucket of S3 or a look-alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Address {
    /// The bucket's name.
    pub bucket: String,
    /// What every name begins with, without a slash at its ends; empty for none.
    pub prefix: String,
    /// Where the service is, when it is not Amazon's.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket is the first part of the path rather than of the host's name.
    pub path_style: bool,
    /// Whether the archive tier is the deepest class, which is cheaper and takes longer to thaw.
    pub is_deep: bool,
}

/// A folder of a WebDAV server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebDavAddress {
    /// Scheme, host and port.
    pub server: String,
    /// The folder, decoded, without slashes at its ends; empty for the root.
    pub path: String,
}

/// A folder behind SSH.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SftpAddress {
    /// Who logs in.
    pub user: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The folder, absolute.
    pub path: String,
}

/// A folder of a cloud that people sign in to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CloudAddress {
    /// The folder, decoded, without slashes at its ends; empty for the topmost that the client may use.
    pub path: String,
    /// A stand-in for the service on this machine, for tests; never anywhere else, so that nobody can be talked into
    /// sending a sign-in to a stranger.
    pub endpoint: Option<String>,
}

impl RemoteAddress {
    /// Reads an address; what proves a permission in it comes back apart.
    ///
    /// # Errors
    /// [`AddressError`] with the rule that is broken and an example.
    pub fn parse(text: &str) -> Result<(Self, Option<RemoteCredential>), AddressError> {
        let text = text.trim();
        if text.starts_with('/') {
            return Ok((Self::Folder(folder_path(text)?), None));
        }
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| broken("an address begins with its kind", AZURE_EXAMPLE))?;
        match scheme.to_ascii_lowercase().as_str() {
            "azure" => parse_azure(rest).map(|address| (Self::Azure(address), None)),
            "https" | "http" => parse_azure_url(text),
            "s3" => parse_s3(text).map(|address| (Self::S3(address), None)),
            "webdav" | "webdavs" => parse_webdav(text).map(|address| (Self::WebDav(address), None)),
            "sftp" => parse_sftp(text).map(|address| (Self::Sftp(address), None)),
            "dropbox" => cloud_folder(rest, "dropbox:/path").map(|cloud| (Self::Dropbox(cloud), None)),
            "gdrive" => cloud_folder(rest, "gdrive:/path").map(|cloud| (Self::GoogleDrive(cloud), None)),
            "onedrive" => cloud_folder(rest, "onedrive:/path").map(|cloud| (Self::OneDrive(cloud), None)),
            "folder" => folder_path(rest).map(|path| (Self::Folder(path), None)),
            "file" => file_path(rest).map(|path| (Self::File(path), None)),
            _ => Err(broken(
                "an address begins with azure:, https:, s3:, webdavs:, sftp:, dropbox:, gdrive:, onedrive:, folder: or file:",
                AZURE_EXAMPLE,
            )),
        }
    }

    /// The kind in one word, as it begins the address.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Azure(_) => "azure",
            Self::S3(_) => "s3",
            Self::WebDav(_) => "webdav",
            Self::Sftp(_) => "sftp",
            Self::Dropbox(_) => "dropbox",
            Self::GoogleDrive(_) => "gdrive",
            Self::OneDrive(_) => "onedrive",
            Self::Folder(_) => "folder",
            Self::File(_) => "file",
        }
    }
}

impl FromStr for RemoteAddress {
    type Err = AddressError;

    /// Reads an address that carries no secret.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        match Self::parse(text)? {
            (address, None) => Ok(address),
            (_, Some(_)) => Err(broken("a secret does not belong into this address", AZURE_EXAMPLE)),
        }
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Azure(azure) => write!(formatter, "{azure}"),
            Self::S3(s3) => write!(formatter, "{s3}"),
            Self::WebDav(webdav) => {
                let server = webdav.server.replacen("http", "webdav", 1);
                write!(formatter, "{server}{}", below(&webdav.path))
            }
            Self::Sftp(sftp) => {
                write!(formatter, "sftp://{}@{}", encode(&sftp.user), bracketed(&sftp.host))?;
                if sftp.port != 22 {
                    write!(formatter, ":{}", sftp.port)?;
                }
                formatter.write_str(&encode_path(&sftp.path))
            }
            Self::Dropbox(cloud) => write!(formatter, "dropbox:{cloud}"),
            Self::GoogleDrive(cloud) => write!(formatter, "gdrive:{cloud}"),
            Self::OneDrive(cloud) => write!(formatter, "onedrive:{cloud}"),
            Self::Folder(path) => write!(formatter, "folder:{}", path.display()),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
        }
    }
}

impl fmt::Display for CloudAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}", self.path)?;
        match &self.endpoint {
            Some(endpoint) => write!(formatter, "?endpoint={endpoint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AzureAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.service == format!("https://{}{AZURE_DOMAIN}", self.account) {
            write!(formatter, "azure://{}/{}", self.account, self.container)?;
        } else {
            write!(formatter, "{}/{}", self.service, self.container)?;
        }
        formatter.write_str(&below(&self.prefix))
    }
}

impl fmt::Display for S3Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}{}?", self.bucket, below(&self.prefix))?;
        if let Some(endpoint) = &self.endpoint {
            write!(formatter, "endpoint={endpoint}&")?;
        }
        let style = if self.path_style { "path" } else { "host" };
        write!(formatter, "region={}&style={style}", self.region)?;
        if self.is_deep { formatter.write_str("&archive=deep") } else { Ok(()) }
    }
}

fn below(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("/{}", encode_path(path)) }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn parse_azure(rest: &str) -> Result<AzureAddress, AddressError> {
    let rule = |rule| broken(rule, AZURE_EXAMPLE);
    let rest = rest.strip_prefix("//").ok_or_else(|| rule("azure: is followed by two slashes"))?;
    if rest.contains(['?', '#', '@']) {
        return Err(rule(
            "azure: takes an account, a container and a prefix; for a SAS use the https: address",
        ));
    }
    let mut parts = rest.splitn(3, '/');
    let account = parts
        .next()
        .filter(|name| is_account(name))
        .ok_or_else(|| rule("an account has 3 to 24 letters and digits"))?;
    let container = container(parts.next().unwrap_or_default())?;
    let prefix = prefix(parts.next().unwrap_or_default(), AZURE_EXAMPLE)?;
    let service = format!("https://{account}{AZURE_DOMAIN}");
    Ok(AzureAddress { service, account: account.to_owned(), container, prefix })
}

/// A blob address as Azure's portal shows it. Where the host is a number or `localhost`, as with private
/// emulators, the account is the first part of the path; everywhere else it is the first part of the host.
fn parse_azure_url(text: &str) -> Result<(RemoteAddress, Option<RemoteCredential>), AddressError> {
    const EXAMPLE: &str = "https://account.blob.core.windows.net/container/prefix";
    let rule = |rule| broken(rule, EXAMPLE);
    let url = checked_url(text, EXAMPLE)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let mut path = url.path().trim_start_matches('/');
    let origin = url.origin().ascii_serialization();
    let (service, account) = if host.parse::<IpAddr>().is_ok() || host.starts_with('[') || host == "localhost"
    {
        let (account, rest) =
            path.split_once('/').ok_or_else(|| rule("the path is account/container/prefix"))?;
        path = rest;
        (format!("{origin}/{account}"), account.to_owned())
    } else {
        (origin, host.split('.').next().unwrap_or_default().to_owned())
    };
    if !is_account(&account) {
        return Err(rule("an account has 3 to 24 letters and digits"));
    }
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let address =
        AzureAddress { service, account, container: container(first)?, prefix: prefix(rest, EXAMPLE)? };
    let credential = match url.query() {
        None | Some("") => None,
        Some(query) => {
            Some(RemoteCredential::azure_sas(query).map_err(|_| rule("behind the question mark is a SAS"))?)
        }
    };
    Ok((RemoteAddress::Azure(address), credential))
}

fn parse_s3(text: &str) -> Result<S3Address, AddressError> {
    let rule = |rule| broken(rule, S3_EXAMPLE);
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let path = path
        .get(3..)
        .and_then(|rest| rest.strip_prefix("//"))
        .ok_or_else(|| rule("s3: is followed by two slashes"))?;
    let (bucket, rest) = path.split_once('/').unwrap_or((path, ""));
    let is_fine =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_fine) {
        return Err(rule("a bucket has 3 to 63 small letters, digits, dots and dashes"));
    }
    let (mut endpoint, mut region, mut path_style, mut is_deep) = (None, None, None, false);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value).ok_or_else(|| rule("the settings are UTF-8"))?;
        match name {
            "endpoint" => {
                let url = checked_url(&value, S3_EXAMPLE)?;
                if url.path() != "/" || url.query().is_some() {
                    return Err(rule("an endpoint has no path"));
                }
                endpoint = Some(url.origin().ascii_serialization());
            }
            "region" if !value.is_empty() && value.bytes().all(is_fine) => region = Some(value),
            "style" if value == "path" => path_style = Some(true),
            "style" if value == "host" || value == "virtual" => path_style = Some(false),
            "archive" if value == "deep" || value == "glacier" => is_deep = value == "deep",
            _ => {
                return Err(rule(
                    "the settings are endpoint, region, style (path or host) and archive (glacier or deep)",
                ));
            }
        }
    }
    Ok(S3Address {
        bucket: bucket.to_owned(),
        prefix: prefix(rest, S3_EXAMPLE)?,
        // Certificates for *.host do not cover buckets with dots.
        path_style: path_style.unwrap_or(endpoint.is_some() || bucket.contains('.')),
        endpoint,
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        is_deep,
    })
}

fn parse_webdav(text: &str) -> Result<WebDavAddress, AddressError> {
    let text = text.replacen("webdav", "http", 1);
    let url = checked_url(&text, WEBDAV_EXAMPLE)?;
    if url.query().is_some() {
        return Err(broken("a WebDAV address has no question mark", WEBDAV_EXAMPLE));
    }
    let path = prefix(url.path().trim_start_matches('/'), WEBDAV_EXAMPLE)?;
    Ok(WebDavAddress { server: url.origin().ascii_serialization(), path })
}

fn parse_sftp(text: &str) -> Result<SftpAddress, AddressError> {
    let rule = |rule| broken(rule, SFTP_EXAMPLE);
    let url = Url::parse(text).map_err(|_| rule("this is no address"))?;
    if url.password().is_some() || url.query().is_some() {
        return Err(rule("an SFTP address holds no password: keys prove who you are"));
    }
    let user = decode(url.username()).filter(|user| !user.is_empty() && !user.starts_with('-'));
    let host = url.host_str().filter(|host| !host.is_empty() && !host.starts_with('-'));
    let path = decode(url.path()).filter(|path| path.starts_with('/'));
    let (Some(user), Some(host), Some(path)) = (user, host, path) else {
        return Err(rule("an SFTP address has a user, a host and a path"));
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = if path == "/" { path } else { path.trim_end_matches('/').to_owned() };
    Ok(SftpAddress { user, host, port: url.port().unwrap_or(22), path })
}

/// `/mnt/drive`, also as a URL has it: `///mnt/drive`. A name between two slashes and the path would be of another machine.
fn folder_path(text: &str) -> Result<PathBuf, AddressError> {
    whole_path(text)
        .ok_or_else(|| broken("a folder is named by its whole path on this machine", FOLDER_EXAMPLE))
}

/// As a folder's, but for what cannot be a file's.
fn file_path(text: &str) -> Result<PathBuf, AddressError> {
    whole_path(text)
        .filter(|_| !text.ends_with('/'))
        .ok_or_else(|| broken("a file is named by its whole path on this machine", FILE_EXAMPLE))
}

fn whole_path(text: &str) -> Option<PathBuf> {
    let below_root = match text.strip_prefix("//") {
        Some(rest) => rest.trim_start_matches('/').len() < rest.len(),
        None => text.starts_with('/'),
    };
    below_root.then(|| PathBuf::from(format!("/{}", text.trim_start_matches('/'))))
}

fn cloud_folder(rest: &str, example: &'static str) -> Result<CloudAddress, AddressError> {
    let rule = |rule| broken(rule, example);
    let path = rest.strip_prefix('/').ok_or_else(|| rule("the path begins with a slash"))?;
    let (path, endpoint) = match path.split_once("?endpoint=") {
        None => (path, None),
        Some((path, own)) => {
            let url = checked_url(own, example)?;
            if !is_loopback(&url) || url.path() != "/" || url.query().is_some() {
                return Err(rule("an endpoint is for tests: an address of this machine without a path"));
            }
            (path, Some(url.origin().ascii_serialization()))
        }
    };
    if path.contains('?') {
        return Err(rule("a path has no question mark"));
    }
    Ok(CloudAddress { path: prefix(&encode_path(path), example)?, endpoint })
}

/// Reads an HTTP address: no password in it, and no plain HTTP but on this machine.
fn checked_url(text: &str, example: &'static str) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| broken("this is no address", example))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(broken("names and passwords do not belong into an address (--credential-file)", example));
    }
    if url.fragment().is_some() {
        return Err(broken("an address has no #", example));
    }
    if url.host().is_none() {
        return Err(broken("an address names a host", example));
    }
    let is_loopback = is_loopback(&url);
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        "http" => {
            Err(broken("without encryption (http:) only this machine itself can be addressed", example))
        }
        _ => Err(broken("the address is https:", example)),
    }
}

/// Whether an address is one of this machine itself.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    number.map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |number| number.is_loopback())
}

fn is_account(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn container(name: &str) -> Result<String, AddressError> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if matches!(name, "$root" | "$web") || ((3..=63).contains(&name.len()) && name.bytes().all(is_fine)) {
        return Ok(name.to_owned());
    }
    Err(broken("a container has 3 to 63 small letters, digits and dashes", AZURE_EXAMPLE))
}

fn prefix(path: &str, example: &'static str) -> Result<String, AddressError> {
    let path = decode(path.trim_matches('/')).ok_or_else(|| broken("the path is UTF-8", example))?;
    if path.is_empty() {
        return Ok(path);
    }
    Key::parse(&path).map_err(|error| broken(error.rule, example))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_printed_as_it_can_be_read_again() {
        for (text, printed) in [
            ("azure://acct/photos", "azure://acct/photos"),
            ("azure://acct/photos/a/b/", "azure://acct/photos/a/b"),
            ("https://acct.blob.core.windows.net/photos/a%20b", "azure://acct/photos/a%20b"),
            (
                "https://acct.blob.core.chinacloudapi.cn/photos",
                "https://acct.blob.core.chinacloudapi.cn/photos",
            ),
            (
                "http://127.0.0.1:10000/devstoreaccount1/photos",
                "http://127.0.0.1:10000/devstoreaccount1/photos",
            ),
            ("s3://bucket", "s3://bucket?region=us-east-1&style=host"),
            ("s3://bucket?archive=deep", "s3://bucket?region=us-east-1&style=host&archive=deep"),
            ("s3://my.bucket/a", "s3://my.bucket/a?region=us-east-1&style=path"),
            (
                "s3://bucket/a/b?endpoint=https://s3.example.com&region=garage",
                "s3://bucket/a/b?endpoint=https://s3.example.com&region=garage&style=path",
            ),
            (
                "webdavs://cloud.example.com/remote.php/dav/files/me",
                "webdavs://cloud.example.com/remote.php/dav/files/me",
            ),
            ("webdav://localhost:8080/", "webdav://localhost:8080"),
            ("sftp://me@nas:2222/srv/photos/", "sftp://me@nas:2222/srv/photos"),
            ("sftp://me@[::1]/srv", "sftp://me@[::1]/srv"),
            ("dropbox:/Photos", "dropbox:/Photos"),
            ("gdrive:/Photos/Safe", "gdrive:/Photos/Safe"),
            ("onedrive:/", "onedrive:/"),
            ("dropbox:/a b?endpoint=http://127.0.0.1:99", "dropbox:/a b?endpoint=http://127.0.0.1:99"),
            ("folder:/mnt/usb disk", "folder:/mnt/usb disk"),
            ("folder:///mnt/usb disk", "folder:/mnt/usb disk"),
            ("/mnt/usb disk", "folder:/mnt/usb disk"),
            ("file:/mnt/usb disk/photos.tar", "file:/mnt/usb disk/photos.tar"),
            ("file:///mnt/photos.tar", "file:/mnt/photos.tar"),
        ] {
            let (address, credential) = RemoteAddress::parse(text).expect(text);
            assert!(credential.is_none(), "{text}");
            assert_eq!(address.to_string(), printed);
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn a_sas_is_split_off_and_never_printed() {
        let text = "https://acct.blob.core.windows.net/photos/a?sv=2020-12-06&sp=rcl&sig=PLANTED%2Bsignature";
        let (address, credential) = RemoteAddress::parse(text).expect("valid");
        assert_eq!(address.to_string(), "azure://acct/photos/a");
        let credential = credential.expect("a SAS");
        assert!(!format!("{address:?} {credential:?}").contains("PLANTED"));
        assert!(text.parse::<RemoteAddress>().is_err(), "where no secret belongs it is refused");
    }

    #[test]
    fn what_is_unsafe_or_ambiguous_is_refused_without_repeating_it() {
        for text in [
            "photos",
            "ftp://host/path",
            "azure:acct/photos",
            "azure://acct",
            "azure://acct/Photos",
            "azure://acct/photos/../x",
            "azure://acct/photos?sig=PLANTED",
            "http://acct.blob.core.windows.net/photos",
            "https://user:PLANTED@acct.blob.core.windows.net/photos",
            "https://acct.blob.core.windows.net/photos?whatever=PLANTED",
            "https://127.0.0.1:10000/photos",
            "s3://b",
            "s3://bucket?endpoint=http://nas.local:9000",
            "s3://bucket?secret=PLANTED",
            "s3://bucket?archive=PLANTED",
            "webdav://nas.local/dav",
            "webdavs://me:PLANTED@host/dav",
            "sftp://host/path",
            "sftp://me:PLANTED@host/path",
            "sftp://-oProxyCommand=x@host/path",
            "folder:relative",
            "folder://server/share",
            "file:relative.tar",
            "file://server/share.tar",
            "file:/mnt/folder/",
            "dropbox:relative",
            "dropbox:/a?endpoint=https://evil.example.com",
            "gdrive:/a?endpoint=http://evil.example.com",
            "onedrive:/a?endpoint=http://127.0.0.1:99/PLANTED",
            "onedrive:/a?token=PLANTED",
        ] {
            let error = RemoteAddress::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("PLANTED"), "{text}");
        }
    }
}
