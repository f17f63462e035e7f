//! A stand-in for Azure Key Vault, and for the authority that hands out tokens for it: an RSA key that really wraps.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Request};

/// The token that the authority hands out.
const TOKEN: &str = "PLANTED-vault-token";

/// A running stand-in with one key, `photos`; stopped when dropped.
#[derive(Debug)]
pub struct FakeVault {
    fake: Fake,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    versions: Vec<(String, PrivateDecryptingKey)>,
    instead: Option<Answer>,
}

impl FakeVault {
    /// What a client shows to the authority.
    pub const CLIENT_SECRET: &str = "PLANTED-client-secret";

    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let fake = Fake::start({
            let state = Arc::clone(&state);
            move |request| answer(request, &mut state.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let vault = Self { fake, state };
        vault.add_version();
        vault
    }

    /// The address of its key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/keys/photos", self.fake.url())
    }

    /// The variables by which a program signs in here.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AZURE_TENANT_ID", "tenant".to_owned()),
            ("AZURE_CLIENT_ID", "client".to_owned()),
            ("AZURE_CLIENT_SECRET", Self::CLIENT_SECRET.to_owned()),
            ("AZURE_AUTHORITY_HOST", self.fake.url()),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1".to_owned()),
        ]
    }

    /// Gives the key another version, which is then the newest.
    ///
    /// # Panics
    /// When no key can be made.
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn add_version(&self) {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let version = format!("{:032x}", state.versions.len() + 0xabc);
        state.versions.push((version, key));
    }

    /// Forgets all versions: the key was deleted.
    pub fn delete_key(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).versions.clear();
    }

    /// What the vault answers from now on, whatever it is asked; `None` for what it should.
    pub fn answer_instead(&self, answer: Option<Answer>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).instead = answer;
    }

    /// What was asked so far, of the authority and of the vault.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.fake.asked()
    }
}

fn answer(request: &Request, state: &mut State) -> Answer {
    if request.target.starts_with("/tenant/oauth2") {
        let token = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN });
        return Answer::json(200, &token.to_string());
    }
    if let Some(instead) = &state.instead {
        return instead.clone();
    }
    if request.headers.get("authorization").is_none_or(|shown| *shown != format!("Bearer {TOKEN}")) {
        return refusal(401, "Unauthorized");
    }
    let Some((path, "api-version=7.4")) = request.target.split_once('?') else {
        return refusal(400, "BadParameter");
    };
    let host = request.headers.get("host").cloned().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["keys", "photos"]) => match state.versions.last() {
            Some((version, _)) => {
                let id = format!("http://{host}/keys/photos/{version}");
                let key = json!({ "key": { "kid": id, "kty": "RSA", "key_ops": ["wrapKey", "unwrapKey"] } });
                Answer::json(200, &key.to_string())
            }
            None => refusal(404, "KeyNotFound"),
        },
        ("POST", ["keys", "photos", version, operation]) => {
            let Some((_, key)) = state.versions.iter().find(|(known, _)| known == version) else {
                return refusal(404, "KeyNotFound");
            };
            let id = format!("http://{host}/keys/photos/{version}");
            match operate(key, operation, &request.body) {
                Some(value) => Answer::json(200, &json!({ "kid": id, "value": value }).to_string()),
                None => refusal(400, "BadParameter"),
            }
        }
        _ => refusal(404, "NotFound"),
    }
}

/// Wraps or unwraps what a body holds; none for what cannot be.
fn operate(key: &PrivateDecryptingKey, operation: &str, body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    if body.get("alg")?.as_str()? != "RSA-OAEP-256" {
        return None;
    }
    let value = BASE64URL_NOPAD.decode(body.get("value")?.as_str()?.as_bytes()).ok()?;
    let mut room = vec![0; 256];
    let result = match operation {
        "wrapkey" => {
            let public = OaepPublicEncryptingKey::new(key.public_key()).ok()?;
            public.encrypt(&OAEP_SHA256_MGF1SHA256, &value, &mut room, None).ok()?.to_vec()
        }
        "unwrapkey" => {
            let private = OaepPrivateDecryptingKey::new(key.clone()).ok()?;
            private.decrypt(&OAEP_SHA256_MGF1SHA256, &value, &mut room, None).ok()?.to_vec()
        }
        _ => return None,
    };
    Some(BASE64URL_NOPAD.encode(&result))
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "error": { "code": code, "message": "words of the vault's own" } }).to_string(),
    )
}
