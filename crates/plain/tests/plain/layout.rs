//! What lies where, and what stands beside it.

use std::sync::Arc;

use safelight_store::{ConnectOptions, Key, Remote, Tier, connect};

use crate::common::{Server, World};

/// The place itself, without anything of a plain copy.
async fn place(world: &World) -> Arc<dyn Remote> {
    let credential = world.destination.credential.clone();
    connect(&world.destination.address, credential, ConnectOptions::default(), "tokenabc").await.unwrap()
}

#[test]
fn a_blob_lies_under_its_hash_with_its_type_hash_date_and_tier() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for server in Server::all().into_iter().filter(|server| !matches!(server, Server::Folder(_))) {
        let world = World::new(server.destination());
        world.write("2024/IMG_20240506_070809.jpg", b"\xff\xd8\xff\xe0 not much of a photo");
        world.push("one");
        let entry = world.copy("one").entries().unwrap().remove(0);
        let hash = entry.sha256.to_string();
        assert_eq!(entry.blob, format!("{}/{hash}/2024/IMG_20240506_070809.jpg", &hash[..2]));
        assert!(entry.etag.is_some());
        let key = Key::parse(&entry.blob).unwrap();
        let remote = runtime.block_on(place(&world));
        let metadata = runtime.block_on(remote.metadata(&key)).unwrap();
        assert_eq!(metadata["sha256"], hash);
        assert_eq!(metadata["captured"], "2024-05-06T07:08:09");
        assert_eq!(metadata["mtime"], "2017-07-14T02:40:24.123456Z");
        assert_eq!(runtime.block_on(remote.head(&key)).unwrap().tier, Some(Tier::Cool));
        if let Server::Azure(azurite) = &server {
            let path = format!("/{}/photos/below/here/{}?{}", azurite.account(), entry.blob, azurite.sas());
            let (status, head, _) = safelight_servers::http_with_head(azurite.port(), "HEAD", &path);
            assert_eq!(status, 200);
            let head = head.to_ascii_lowercase();
            assert!(head.contains("content-type: image/jpeg") && head.contains("content-md5: "), "{head}");
        }
    }
}
