//! S3: sealed uploads go to the bucket itself by presigned addresses, plain files through the gateway.

use data_encoding::HEXLOWER;
use safelight_crypto::{DeviceId, InboxName, names, sha256};
use safelight_servers::Moto;
use serde_json::{Value, json};

use crate::room::Room;
use crate::served::{Phone, Served, serve};

#[test]
fn a_sealed_object_is_created_once_by_a_presigned_address_of_its_length_and_hash() {
    let Some(moto) = Moto::start() else { return };
    let room = Room::new();
    let device = DeviceId::from_bytes([7; 16]);
    let phone = Phone::with_token(&room, "phone", &["--device", &device.to_string()]);
    let credential = room.credential(moto.credential());
    let more = ["--credential-file", credential.to_str().unwrap()];
    let served = Served::start(&mut serve(&room, &moto.bucket("photos"), &more), "http");
    let name = names::inbox(&InboxName { device, counter: 3, piece: 0 });
    let id = name.rsplit('/').next().unwrap();
    let object = json!({ "id": id, "bytes": 6, "sha256": HEXLOWER.encode(&sha256(&[b"sealed"])) });
    let batch = json!({ "objects": [object] });
    let lent = phone.post(&format!("{}/v1/uploads", served.url), &batch);
    assert_eq!(lent.status, 200, "{lent:?}");
    let upload = lent.json()["uploads"][0].clone();
    let url = upload["upload_url"].as_str().unwrap();
    assert!(
        url.contains("X-Amz-SignedHeaders=content-length%3Bhost%3Bif-none-match%3Bx-amz-checksum-sha256")
    );
    assert!(url.contains("X-Amz-Expires=600"));
    let headers = upload["headers"].as_object().unwrap().iter();
    // curl says the length itself.
    let headers: Vec<String> = headers
        .filter(|(name, _)| *name != "content-length")
        .map(|(name, value): (&String, &Value)| format!("{name}: {}", value.as_str().unwrap()))
        .collect();
    assert_eq!(phone.put(url, &headers, "sealed").status, 200);
    assert_eq!(phone.put(url, &headers, "sealed").status, 412);
    let status = phone.post(&format!("{}/v1/uploads/status", served.url), &batch).json();
    assert_eq!(status["objects"][0]["state"], "complete");
    assert!(moto.objects("photos").iter().any(|bytes| bytes == b"sealed"));
}

#[test]
fn a_plain_file_goes_through_the_gateway_because_the_client_sends_no_condition() {
    let Some(moto) = Moto::start() else { return };
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &[]);
    let credential = room.credential(moto.credential());
    let more = ["--credential-file", credential.to_str().unwrap()];
    let served = Served::start(&mut serve(&room, &moto.bucket("photos"), &more), "http");
    let asked = json!({ "user_id": "anna", "filename": "a.jpg" });
    let answer = phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked).json();
    let url = answer["upload_url"].as_str().unwrap();
    assert_eq!(phone.put(url, &["x-ms-blob-type: BlockBlob".to_owned()], "plain").status, 201);
    assert_eq!(phone.put(url, &[], "again").code(), "already-there");
    assert!(moto.objects("photos").iter().any(|bytes| bytes == b"plain"));
}
