//! What vectors ask for. One function for each operation; input in, a JSON value or a refusal out.

use data_encoding::HEXLOWER;
use safelight_crypto::{
    Ask, Closing, ContentHash, CryptoError, DeviceCard, DeviceId, Domain, EntryName, EntryRecord, Epoch,
    EpochId, EpochSecrets as _, Fault, HEADER_LEN, InboxName, KeyWrap, Keyring, Kind, LibraryId,
    ObjectContext, ObjectName, Offer, Opener, PackIndex, PackTier, PairingCode, PairingKey, PairingPlaces,
    Passkey, PasskeyQuestion, Recipient, RecoveryWords, Reveal, RootCard, Roster, SecretBytes, Signature,
    SignedInboxHead, Slot, SlotKind, SlotSecret, Standing, Statement, StatementBody, StoreError, UnlockKey,
    VerifyingKey, Welcome, entry_sealed_len, names, open, open_entry, open_from, open_keys_file,
    open_original, original_parts, padded_original, padme, pairing_words, scan_local_pack, sha256,
    statements_hash,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Failure, Files, bad};

type Outcome = Result<Value, Failure>;

pub(crate) fn run(op: &str, input: &Value, files: &Files) -> Outcome {
    match op {
        "words" => words(input),
        "device-card" => device_card(input, files),
        "verify" => verify(input, files),
        "root-card" => root_card(input, files),
        "statement" => statement(input, files),
        "roster" => roster(input, files),
        "epoch" => epoch(input),
        "names" => object_names(input),
        "lengths" => Ok(lengths(field::<u64>(input, "length")?)),
        "open" => open_object(input, files),
        "open-range" => open_range(input, files),
        "open-inbox" => open_inbox(input, files),
        "open-item" => open_item(input, files),
        "original" => original(input, files),
        "keys-file" => keys_file(input, files),
        "keyring" => keyring(input, files),
        "slot" => slot(input, files),
        "entry" => entry(input, files),
        "pack" => pack(input, files),
        "local-pack" => local_pack(input, files),
        "pairing-code" => pairing_code(input),
        "pairing" => pairing(input, files),
        "pairing-local-name" => pairing_local_name(input),
        "pairing-places" => pairing_places(input, files),
        "pairing-closed" => pairing_closed(input, files),
        other => Err(bad(format!("no operation {other}"))),
    }
}

fn field<T: DeserializeOwned>(input: &Value, name: &str) -> Result<T, Failure> {
    serde_json::from_value(input[name].clone()).map_err(|error| bad(format!("{name}: {error}")))
}

fn array<const N: usize>(input: &Value, name: &str, files: &Files) -> Result<[u8; N], Failure> {
    files.bytes(&input[name])?.try_into().map_err(|_| bad(format!("{name} is not {N} bytes")))
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn refuse(fault: Fault) -> Failure {
    Failure::Refused(CryptoError::Object { object: "vector".to_owned(), fault })
}

/// Content as a vector expects it: its length and hash.
fn digest(content: &[u8]) -> Value {
    json!({ "len": content.len(), "sha256": hex(&sha256(&[content])) })
}

fn epochs(input: &Value) -> Result<Vec<Epoch>, Failure> {
    #[derive(Deserialize)]
    struct Held {
        id: EpochId,
        secret: String,
    }
    let held: Vec<Held> = field(input, "epochs")?;
    held.into_iter()
        .map(|Held { id, secret }| {
            let bytes = HEXLOWER.decode(secret.as_bytes()).map_err(|error| bad(error.to_string()))?;
            Ok(Epoch::from_parts(id, bytes.try_into().map_err(|_| bad("an epoch secret is 32 bytes"))?))
        })
        .collect()
}

fn kind(input: &Value) -> Result<Kind, Failure> {
    Ok(match field::<u8>(input, "kind")? {
        1 => Kind::OriginalPart,
        2 => Kind::PackEntry,
        3 => Kind::PackIndex,
        4 => Kind::Segment,
        5 => Kind::Checkpoint,
        6 => Kind::Page,
        7 => Kind::Keyring,
        8 => Kind::KeysFile,
        9 => Kind::InboxItem,
        10 => Kind::Share,
        other => return Err(bad(format!("no kind {other}"))),
    })
}

fn words(input: &Value) -> Outcome {
    let words = RecoveryWords::parse(&field::<String>(input, "words")?)?;
    let card = words.card();
    Ok(json!({
        "words": words.words().join(" "),
        "verifying_key": hex(card.verifying_key.as_bytes()),
        "kem_public_sha256": hex(&sha256(&[card.kem_public.as_bytes()])),
        "id": card.id().to_string(),
    }))
}

fn device_card(input: &Value, files: &Files) -> Outcome {
    let card = DeviceCard::from_bytes(&files.bytes(&input["card"])?)?;
    Ok(json!({ "id": card.id().to_string(), "verifying_key": hex(card.verifying_key().as_bytes()) }))
}

fn verify(input: &Value, files: &Files) -> Outcome {
    let domain = match field::<u8>(input, "domain")? {
        1 => Domain::RootCard,
        2 => Domain::Statement,
        3 => Domain::Segment,
        4 => Domain::Head,
        5 => Domain::Checkpoint,
        6 => Domain::InboxItem,
        7 => Domain::Export,
        8 => Domain::Successor,
        9 => Domain::Pairing,
        10 => Domain::Grants,
        other => return Err(bad(format!("no domain {other}"))),
    };
    let key = VerifyingKey::from_bytes(array(input, "key", files)?);
    let signature = Signature::from_bytes(array(input, "signature", files)?);
    key.verify(domain, &files.bytes(&input["message"])?, &signature).map_err(refuse)?;
    Ok(Value::Null)
}

fn root_card(input: &Value, files: &Files) -> Outcome {
    let card = RootCard::open(&files.bytes(&input["card"])?, &field(input, "words_id")?)?;
    Ok(json!({
        "library": card.library().to_string(),
        "statements": hex(card.statements()),
        "millis": card.millis(),
    }))
}

fn statement(input: &Value, files: &Files) -> Outcome {
    let statement = Statement::from_bytes(&files.bytes(&input["statement"])?)?;
    statement.verify(&VerifyingKey::from_bytes(array(input, "key", files)?))?;
    let says = match statement.body() {
        StatementBody::Root(words) => json!({ "root": words.id().to_string() }),
        StatementBody::Admit(card) => json!({ "admit": card.id().to_string() }),
        StatementBody::Retire { device, last_seq } => {
            json!({ "retire": device.to_string(), "last_seq": last_seq })
        }
        StatementBody::Revoke { device, last_seq, last_root } => {
            json!({ "revoke": device.to_string(), "last_seq": last_seq, "last_root": hex(last_root) })
        }
        StatementBody::Lapse { device } => json!({ "lapse": device.to_string() }),
        StatementBody::Epoch { epoch, files } => {
            let files: Vec<_> = files.iter().map(|(to, hash)| json!([to.to_string(), hex(hash)])).collect();
            json!({ "epoch": epoch.to_string(), "files": files })
        }
        StatementBody::RequireFeature(name) => json!({ "require_feature": name }),
        StatementBody::Unknown { kind, bytes } => json!({ "unknown": kind, "bytes": hex(bytes) }),
        _ => return Err(bad("a statement that vectors do not know")),
    };
    Ok(json!({
        "id": hex(statement.id().as_bytes()),
        "author": statement.author().to_string(),
        "millis": statement.millis(),
        "after": statement.after().iter().map(|id| hex(id.as_bytes())).collect::<Vec<_>>(),
        "says": says,
    }))
}

fn roster(input: &Value, files: &Files) -> Outcome {
    let bytes = input["statements"].as_array().ok_or_else(|| bad("statements is a list"))?;
    let statements = bytes
        .iter()
        .map(|bytes| Ok(Statement::from_bytes(&files.bytes(bytes)?)?))
        .collect::<Result<Vec<_>, Failure>>()?;
    let hash = hex(&statements_hash(statements.iter().map(Statement::id)));
    let Some(roster) = Roster::replay(field(input, "library")?, &statements) else {
        return Ok(json!({ "hash": hash, "roster": null }));
    };
    let members = roster.members().iter().map(|(id, member)| {
        let standing = match member.standing {
            Standing::Active => "active",
            Standing::Lapsed => "lapsed",
            Standing::Retired { .. } => "retired",
            Standing::Revoked { .. } => "revoked",
        };
        (id.to_string(), json!(standing))
    });
    let mut refused: Vec<_> = roster
        .refused()
        .iter()
        .map(|(id, fault)| format!("{} {}", hex(id.as_bytes()), fault.code()))
        .collect();
    refused.sort();
    Ok(json!({
        "hash": hash,
        "roster": {
            "words": roster.words().id().to_string(),
            "members": members.collect::<serde_json::Map<_, _>>(),
            "features": roster.features(),
            "sealing_epoch": roster.sealing_epoch().map(|epoch| epoch.epoch.to_string()),
            "refused": refused,
        },
    }))
}

fn epoch(input: &Value) -> Outcome {
    let epochs = epochs(input)?;
    let epoch = epochs.first().ok_or_else(|| bad("one epoch"))?;
    Ok(json!({
        "sealing": hex(epoch.sealing_secret().as_bytes()),
        "naming": hex(epoch.naming_key().as_bytes()),
        "inbox_public_sha256": hex(&sha256(&[epoch.inbox_keypair().public().as_bytes()])),
    }))
}

fn object_names(input: &Value) -> Outcome {
    let epochs = epochs(input)?;
    let key = epochs.first().ok_or_else(|| bad("one epoch"))?.naming_key();
    let content: ContentHash = field(input, "content")?;
    let device: DeviceId = field(input, "device")?;
    let epoch = epochs[0].id();
    let entry = EntryName { content, kind: 1, recipe: 258 };
    let original = key.original(&content, field(input, "part")?);
    Ok(json!({
        "original": names::original(&original),
        "shard": original.shard(),
        "checkpoint": names::checkpoint(&key.checkpoint(content.as_bytes())),
        "page": names::page(&key.page(content.as_bytes())),
        "thumbnails": PackTier::Thumbnails.logical(&key.pack(content.as_bytes())),
        "segment": names::segment(&device, field(input, "seq")?),
        "head": names::head(&device),
        "keys_file": names::keys_file(&epoch, &Recipient::Device(device)),
        "entry": entry.logical(),
    }))
}

fn lengths(length: u64) -> Value {
    json!({
        "padme": padme(length),
        "original": padded_original(length),
        "parts": original_parts(length),
        "entry": entry_sealed_len(length),
    })
}

/// What the reader expects the object to be.
struct Wanted {
    library: LibraryId,
    name: String,
    part: u32,
    parts: u32,
    total_len: u64,
}

impl Wanted {
    fn read(input: &Value) -> Result<Self, Failure> {
        Ok(Self {
            library: field(input, "library")?,
            name: field(input, "name")?,
            part: field::<Option<u32>>(input, "part")?.unwrap_or(0),
            parts: field::<Option<u32>>(input, "parts")?.unwrap_or(1),
            total_len: field::<Option<u64>>(input, "total")?.unwrap_or(0),
        })
    }

    fn context(&self) -> ObjectContext<'_> {
        let Self { library, name, part, parts, total_len } = self;
        ObjectContext { library: *library, name, part: *part, parts: *parts, total_len: *total_len }
    }
}

fn open_object(input: &Value, files: &Files) -> Outcome {
    let sealed = files.bytes(&input["sealed"])?;
    let wanted = Wanted::read(input)?;
    let content = open(&sealed, kind(input)?, epochs(input)?.as_slice(), &wanted.context())?;
    Ok(digest(&content))
}

fn open_range(input: &Value, files: &Files) -> Outcome {
    let sealed = files.bytes(&input["sealed"])?;
    let wanted = Wanted::read(input)?;
    let head = &sealed[..sealed.len().min(HEADER_LEN)];
    let secrets = epochs(input)?;
    let opener = Opener::new(head, sealed.len() as u64, kind(input)?, secrets.as_slice(), &wanted.context())?;
    let range = field::<u64>(input, "from")?..field::<u64>(input, "to")?;
    let needed = opener.sealed_range(&range);
    let place = |at: u64| usize::try_from(at).map_err(|_| bad("a range beyond memory"));
    let bytes = &sealed[place(needed.start)?..place(needed.end)?];
    Ok(json!({
        "sealed": [needed.start, needed.end],
        "content": digest(&opener.open_range(&range, bytes)?),
    }))
}

fn open_inbox(input: &Value, files: &Files) -> Outcome {
    let sealed = files.bytes(&input["sealed"])?;
    let wanted = Wanted::read(input)?;
    let epochs = epochs(input)?;
    let key = epochs.first().ok_or_else(|| bad("one epoch"))?.inbox_keypair();
    Ok(digest(&open_from(&sealed, Kind::InboxItem, &key, &wanted.context())?))
}

fn open_item(input: &Value, files: &Files) -> Outcome {
    let sealed = files.bytes(&input["sealed"])?;
    let name = InboxName { device: field(input, "device")?, counter: field(input, "counter")?, piece: 0 };
    let key = VerifyingKey::from_bytes(array(input, "key", files)?);
    let head = SignedInboxHead::verify(field(input, "library")?, name, &key, &sealed)?;
    let epochs = epochs(input)?;
    let (manifest, first) = head.open(epochs.first().ok_or_else(|| bad("one epoch"))?)?;
    Ok(json!({
        "root": hex(&manifest.root),
        "relative": hex(&manifest.relative),
        "modified": manifest.modified_millis,
        "size": manifest.size_bytes,
        "content": manifest.content.to_string(),
        "pieces": manifest.pieces.iter().map(|piece| hex(piece)).collect::<Vec<_>>(),
        "first": digest(&first),
        "name": names::inbox(&name),
    }))
}

fn original(input: &Value, files: &Files) -> Outcome {
    let parts = input["parts"].as_array().ok_or_else(|| bad("parts is a list"))?;
    let parts = parts
        .iter()
        .map(|part| Ok((field::<ObjectName>(part, "name")?, files.bytes(&part["sealed"])?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let parts: Vec<_> = parts.iter().map(|(name, sealed)| (*name, sealed.as_slice())).collect();
    let content: ContentHash = field(input, "content")?;
    let size = field(input, "size")?;
    let plain = open_original(&parts, field(input, "library")?, content, size, epochs(input)?.as_slice())?;
    Ok(digest(&plain))
}

fn keys_file(input: &Value, files: &Files) -> Outcome {
    let words = RecoveryWords::parse(&field::<String>(input, "words")?)?;
    let sealed = files.bytes(&input["sealed"])?;
    let recipient = Recipient::Words(field(input, "recipient")?);
    let newest = field(input, "epoch")?;
    let epochs = open_keys_file(&sealed, field(input, "library")?, &newest, recipient, &words.kem_key())?;
    let epochs: Vec<_> = epochs
        .iter()
        .map(|epoch| json!([epoch.id().to_string(), hex(epoch.sealing_secret().as_bytes())]))
        .collect();
    Ok(json!(epochs))
}

fn keyring(input: &Value, files: &Files) -> Outcome {
    let unlock_key = UnlockKey::from_bytes(array(input, "unlock_key", files)?);
    let keyring = Keyring::open(&files.bytes(&input["sealed"])?, field(input, "library")?, &unlock_key)?;
    Ok(json!({
        "generation": unlock_key.generation().to_string(),
        "device": keyring.device().id().to_string(),
        "words": keyring.words().id().to_string(),
        "epochs": keyring.epochs().iter().map(|epoch| epoch.id().to_string()).collect::<Vec<_>>(),
        "catalog_key": hex(keyring.catalog_key().as_bytes()),
        "device_database_key": hex(keyring.device_database_key().as_bytes()),
        "library_toml_mac": hex(&keyring.mac_key("library.toml").mac(b"version = 1\n")),
    }))
}

fn slot(input: &Value, files: &Files) -> Outcome {
    // A slot file that breaks a rule is refused while it is parsed; serde keeps only the words of it.
    let slot: Slot =
        serde_json::from_value(input["slot"].clone()).map_err(|error| refused_by_name(&error.to_string()))?;
    let passphrase = field::<Option<String>>(input, "passphrase")?;
    let words =
        field::<Option<String>>(input, "words")?.map(|words| RecoveryWords::parse(&words)).transpose()?;
    let key_file = match &input["key_file"] {
        Value::Null => Vec::new(),
        bytes => files.bytes(bytes)?,
    };
    let store = match &input["store"] {
        Value::Null => None,
        given => Some(GivingStore { kind: field(given, "kind")?, gives: files.bytes(&given["gives"])? }),
    };
    let library = field(input, "library")?;
    let passkey = match &input["passkey"] {
        Value::Null => None,
        given => Some(passkey(library, given, files)?),
    };
    let secret = match (&passphrase, &words, &store, &passkey) {
        (Some(passphrase), ..) => SlotSecret::Passphrase(passphrase),
        (_, Some(words), ..) => SlotSecret::Recovery(words),
        (_, _, Some(store), _) => SlotSecret::Store(store),
        (_, _, _, Some(passkey)) => SlotSecret::Store(passkey),
        _ => SlotSecret::KeyFile(&key_file),
    };
    let unlock_key = slot.open(library, &secret)?;
    Ok(json!(hex(unlock_key.as_bytes())))
}

/// A passkey with what its authenticator answered.
fn passkey(library: LibraryId, given: &Value, files: &Files) -> Result<Passkey, Failure> {
    let bytes_32 = |name: &str| {
        files.bytes(&given[name])?.try_into().map_err(|_| bad(format!("{name} is not 32 bytes")))
    };
    let question = PasskeyQuestion::new(files.bytes(&given["credential"])?, bytes_32("salt")?)
        .map_err(|error| bad(error.to_string()))?;
    Ok(question.answered(library, bytes_32("output")?))
}

/// A key store that gives one answer, whatever it is asked.
struct GivingStore {
    kind: SlotKind,
    gives: Vec<u8>,
}

impl KeyWrap for GivingStore {
    fn kind(&self) -> SlotKind {
        self.kind
    }

    fn wrap(&self, _: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::Absent("it only gives".to_owned()))
    }

    fn unwrap(&self, _: &[u8]) -> Result<SecretBytes, StoreError> {
        Ok(SecretBytes::new(self.gives.clone()))
    }
}

fn refused_by_name(message: &str) -> Failure {
    let wrapped = Fault::BadField("wrapped_secret");
    if message.contains(&Fault::CostOutOfBounds.to_string()) {
        refuse(Fault::CostOutOfBounds)
    } else if message.contains(&Fault::BadPublicKey.to_string()) {
        refuse(Fault::BadPublicKey)
    } else if message.contains(&Fault::UnknownVersion(2).to_string()) {
        refuse(Fault::UnknownVersion(2))
    } else if message.contains(&Fault::TooLarge.to_string()) {
        refuse(Fault::TooLarge)
    } else if message.contains(&wrapped.to_string()) {
        refuse(wrapped)
    } else {
        bad(message)
    }
}

fn record(input: &Value, files: &Files) -> Result<EntryRecord, Failure> {
    let name = EntryName {
        content: field(input, "content")?,
        kind: field(input, "rendition")?,
        recipe: field(input, "recipe")?,
    };
    let (epoch, content_len) = (field(input, "epoch")?, field(input, "content_len")?);
    Ok(EntryRecord { name, epoch, content_len, sha256: array(input, "sha256", files)? })
}

fn entry(input: &Value, files: &Files) -> Outcome {
    let bytes = files.bytes(&input["entry"])?;
    let record = record(&input["record"], files)?;
    Ok(digest(&open_entry(&bytes, field(input, "library")?, &record, epochs(input)?.as_slice())?))
}

fn show(record: &EntryRecord) -> Value {
    json!([record.name.logical(), record.epoch.to_string(), record.content_len, hex(&record.sha256)])
}

fn pack(input: &Value, files: &Files) -> Outcome {
    let bytes = files.bytes(&input["pack"])?;
    let (library, secrets) = (field(input, "library")?, epochs(input)?);
    let index = PackIndex::read(&bytes, library, &field::<String>(input, "name")?, secrets.as_slice())?;
    let mut entries = Vec::new();
    for place in index.entries() {
        let at = |at: u64| usize::try_from(at).map_err(|_| bad("a range beyond memory"));
        let entry = &bytes[at(place.range.start)?..at(place.range.end)?];
        open_entry(entry, library, &place.record, secrets.as_slice())?;
        entries.push(json!([place.range.start, show(&place.record)]));
    }
    Ok(json!(entries))
}

fn local_pack(input: &Value, files: &Files) -> Outcome {
    let bytes = files.bytes(&input["file"])?;
    let mut source = std::io::Cursor::new(&bytes);
    let scan = scan_local_pack(&mut source, field(input, "library")?, epochs(input)?.as_slice())?;
    let entries: Vec<_> =
        scan.entries.iter().map(|entry| json!([entry.range.start, show(&entry.record)])).collect();
    let damaged: Vec<_> = scan.damaged.iter().map(|range| json!([range.start, range.end])).collect();
    Ok(json!({ "entries": entries, "damaged": damaged, "end": scan.end }))
}

fn pairing_key(input: &Value) -> Result<(PairingCode, PairingKey), Failure> {
    let code = PairingCode::parse(&field::<String>(input, "words")?)?;
    let key = PairingKey::derive(&code, field(input, "id")?);
    Ok((code, key))
}

fn pairing_code(input: &Value) -> Outcome {
    let (code, key) = pairing_key(input)?;
    let secret = key.sealing_secret(&key.id().into());
    let secret = secret.ok_or_else(|| bad("a pairing holds its own secret"))?;
    Ok(json!({ "words": code.words().as_str(), "secret": hex(secret.as_bytes()) }))
}

/// All messages in their order, as the new device reads those of the other side and that one reads its ask.
fn pairing(input: &Value, files: &Files) -> Outcome {
    let (_, key) = pairing_key(input)?;
    let message = |name: &str| files.bytes(&input[name]);
    let offer = Offer::open(&key, &message("offer")?)?;
    let ask = Ask::open(&key, &field(input, "ask_name")?, &offer, &message("ask")?)?;
    let reveal = Reveal::open(&key, &offer, &ask, &message("reveal")?)?;
    let unlock = UnlockKey::from_bytes(array(input, "unlock_key", files)?);
    let keyring = Keyring::open(&message("keyring")?, field(input, "library")?, &unlock)?;
    let kem = keyring.device().kem_secret();
    let welcome = Welcome::open(key.id(), &offer, &ask, kem, &message("welcome")?)?;
    Ok(json!({
        "library": offer.library.to_string(),
        "words_id": offer.words.to_string(),
        "inviter": offer.inviter.id().to_string(),
        "expires_millis": offer.expires_millis,
        "inviter_name": offer.name,
        "device": ask.device.id().to_string(),
        "device_name": ask.name,
        "six_words": pairing_words(&offer, &ask, &reveal),
        "epoch": welcome.epoch.to_string(),
        "keys_file": hex(&welcome.keys_file),
        "history": welcome.history,
        "storage": hex(&welcome.storage),
    }))
}

fn pairing_local_name(input: &Value) -> Outcome {
    let code = PairingCode::parse(&field::<String>(input, "words")?)?;
    Ok(json!({ "local_name": code.local_name() }))
}

/// Where the library rests, as a new device reads it that came over the local network.
fn pairing_places(input: &Value, files: &Files) -> Outcome {
    let (_, key) = pairing_key(input)?;
    let message = |name: &str| files.bytes(&input[name]);
    let offer = Offer::open(&key, &message("offer")?)?;
    let ask = Ask::open(&key, &field(input, "ask_name")?, &offer, &message("ask")?)?;
    let unlock = UnlockKey::from_bytes(array(input, "unlock_key", files)?);
    let keyring = Keyring::open(&message("keyring")?, field(input, "library")?, &unlock)?;
    let kem = keyring.device().kem_secret();
    let told = PairingPlaces::open(key.id(), &offer, &ask, kem, &message("places")?)?;
    let places: Vec<_> = told.places.iter().map(|place| [&place.name, &place.address]).collect();
    Ok(json!({ "places": places }))
}

fn pairing_closed(input: &Value, files: &Files) -> Outcome {
    let (_, key) = pairing_key(input)?;
    Ok(json!(match Closing::open(&key, &files.bytes(&input["closed"])?)? {
        Closing::Used => "used",
        Closing::TooManyTries => "too-many-tries",
        Closing::Expired => "expired",
        Closing::CalledOff => "called-off",
    }))
}
