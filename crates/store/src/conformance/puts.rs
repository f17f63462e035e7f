//! The guarantees of what the plain copy says with its puts: MD5, metadata, blocks.

use std::collections::BTreeMap;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::{AT_MOST_BYTES, Bench, Fault, Tried, pattern, require};
use crate::error::StoreError;
use crate::name::Key;
use crate::remote::{Block, BlockUpload, Body, PutOptions};

/// The least that S3 takes as a block that is not the last.
const BLOCK_BYTES: usize = 5 << 20;

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

impl Bench {
    pub(super) async fn compares_md5(&self) -> Tried {
        let (right, wrong, bytes) = (self.named("r14-right")?, self.named("r14-wrong")?, pattern(9_000, 15));
        let said = |md5| PutOptions { md5: Some(md5), ..PutOptions::default() };
        let body = Body::Bytes(bytes.clone());
        let stored = self.remote.put_if_absent(&right, body.clone(), &said(md5_of(&bytes))).await?;
        require(self.remote.get(&right, AT_MOST_BYTES).await? == bytes, "other bytes came back")?;
        if !stored.is_md5_checked {
            return Err(Fault::Skip("it compares no MD5".to_owned()));
        }
        match self.remote.put_if_absent(&wrong, body, &said(md5_of(b"others"))).await {
            Ok(stored) => require(!stored.is_md5_checked, "bytes are said to have the MD5 of others"),
            Err(_) => {
                let absent = self.remote.head(&wrong).await;
                require(absent.is_err_and(|error| error.is_not_found()), "what was refused is there")
            }
        }
    }

    pub(super) async fn keeps_metadata(&self) -> Tried {
        let key = self.named("r15")?;
        let said = BTreeMap::from([("captured", "2024-05-06T07:08:09+02:00"), ("sha256", "ab12")]);
        let said: BTreeMap<String, String> =
            said.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let options = PutOptions { metadata: said.clone(), ..PutOptions::default() };
        self.remote.put_if_absent(&key, Body::Bytes(pattern(10, 16)), &options).await?;
        let kept = self.remote.metadata(&key).await?;
        require(kept == said, format!("{kept:?} came back"))
    }

    pub(super) async fn takes_blocks(&self) -> Tried {
        let (key, bytes) = (self.named("r16")?, pattern(BLOCK_BYTES + 70_000, 17));
        let (first, last) = (bytes.slice(..BLOCK_BYTES), bytes.slice(BLOCK_BYTES..));
        let options = PutOptions::default();
        let begun = self.remote.begin_blocks(&key, &options).await?;
        require(begun.taken.is_empty(), "blocks are there that nobody sent")?;
        let first = self.send(&key, &begun, 0, first).await?;
        let unseen = self.remote.head(&key).await;
        require(
            unseen.is_err_and(|error| error.is_not_found()),
            "blocks are seen before they are committed",
        )?;
        let begun = self.remote.begin_blocks(&key, &options).await?;
        let taken: Vec<Block> = begun.taken.iter().copied().collect();
        require(taken == [first], format!("of one block that was sent {} are named", taken.len()))?;
        let last = self.send(&key, &begun, 1, last).await?;
        self.remote.commit_blocks(&key, &begun, &[first, last], &options).await?;
        require(self.remote.get(&key, AT_MOST_BYTES).await? == bytes, "the blocks became other bytes")?;
        self.refuses_to_commit_again(&key, &bytes).await
    }

    async fn refuses_to_commit_again(&self, key: &Key, bytes: &Bytes) -> Tried {
        let options = PutOptions::default();
        let begun = self.remote.begin_blocks(key, &options).await?;
        let other = self.send(key, &begun, 0, pattern(30_000, 18)).await?;
        match self.remote.commit_blocks(key, &begun, &[other], &options).await {
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(Fault::Broken(format!("a taken name answered: {error}"))),
            Ok(_) => return Err(Fault::Broken("blocks replaced an object".to_owned())),
        }
        require(self.remote.get(key, AT_MOST_BYTES).await? == *bytes, "the object was changed")
    }

    async fn send(
        &self,
        key: &Key,
        upload: &BlockUpload,
        number: u32,
        bytes: Bytes,
    ) -> Result<Block, StoreError> {
        let block = Block { number, md5: md5_of(&bytes), length_bytes: bytes.len() as u64 };
        self.remote.put_block(key, upload, block, Body::Bytes(bytes)).await?;
        Ok(block)
    }
}
