//! Objects that are sent in blocks: multipart uploads.
//!
//! An interrupted upload is looked for at the service by the object's name, so nothing about it is kept here. What is said
//! about an object is said when its upload begins: one that was begun for another storage class is not gone on with.

use reqwest::Method;

use super::{Ask, MOST_XML_BYTES, S3};
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Element, Reply};
use crate::name::Key;
use crate::remote::{Block, BlockUpload, Body, PutOptions, Stored};

/// The most parts on one page of their list.
const PAGE_PARTS: &str = "1000";

impl S3 {
    /// The newest upload of this object that was begun and not ended.
    pub(super) async fn find_blocks(
        &self,
        key: &Key,
        options: &PutOptions,
    ) -> Result<Option<BlockUpload>, StoreError> {
        let asked = self.asked(Operation::Put, key.as_str());
        let name = self.object_name(key.as_str());
        let ask = Ask { key: None, ..Ask::new(Method::GET, "") }.query("uploads", "").query("prefix", &name);
        let Some(listed) = self.answer_if_permitted(asked, ask).await? else { return Ok(None) };
        let class = options.tier.map_or("STANDARD", |tier| self.storage_class(tier));
        let is_wanted = |upload: &&Element| {
            let begun_as = upload.text_of("StorageClass").filter(|class| !class.is_empty());
            upload.text_of("Key") == Some(&name) && begun_as.unwrap_or("STANDARD") == class
        };
        let newest = listed
            .all("Upload")
            .filter(is_wanted)
            .max_by_key(|upload| upload.text_of("Initiated").map(str::to_owned));
        let Some(id) = newest.and_then(|upload| upload.text_of("UploadId")) else { return Ok(None) };
        let mut upload = BlockUpload { id: id.to_owned(), ..BlockUpload::default() };
        let mut after = "0".to_owned();
        loop {
            let ask = Ask::new(Method::GET, key.as_str())
                .query("uploadId", &upload.id)
                .query("max-parts", PAGE_PARTS)
                .query("part-number-marker", &after);
            let Some(page) = self.answer_if_permitted(asked, ask).await? else { return Ok(None) };
            upload.taken.extend(page.all("Part").filter_map(read_part));
            let next = page.text_of("NextPartNumberMarker").filter(|next| **next != *after);
            match next.filter(|_| page.text_of("IsTruncated") == Some("true")) {
                Some(next) => after = next.to_owned(),
                None => return Ok(Some(upload)),
            }
        }
    }

    pub(super) async fn begin_anew(
        &self,
        key: &Key,
        options: &PutOptions,
    ) -> Result<BlockUpload, StoreError> {
        let asked = self.asked(Operation::Put, key.as_str());
        let ask = self.describe(Ask::new(Method::POST, key.as_str()).query("uploads", ""), key, options)?;
        let answer = self.answer(asked, ask).await?;
        let id = answer.text_of("UploadId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| asked.nonsense("no upload was begun"))?;
        Ok(BlockUpload { id: id.to_owned(), ..BlockUpload::default() })
    }

    pub(super) async fn send_block(
        &self,
        key: &Key,
        upload: &BlockUpload,
        block: Block,
        body: Body,
    ) -> Result<(), StoreError> {
        let asked = self.asked(Operation::Put, key.as_str());
        let mut ask = Ask::new(Method::PUT, key.as_str())
            .query("partNumber", (block.number + 1).to_string())
            .query("uploadId", &upload.id)
            .header("content-md5", data_encoding::BASE64.encode(&block.md5));
        ask.body = Some(body);
        let reply = self.send(asked, ask).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        // Blocks are put together by their tags. Where those are something else (KMS), objects go whole.
        let tag = reply.header("etag").unwrap_or_default().trim_matches('"').to_owned();
        if tag != data_encoding::HEXLOWER.encode(&block.md5) {
            return Err(asked.unsupported("its tags of blocks are no MD5"));
        }
        Ok(())
    }

    pub(super) async fn commit(
        &self,
        key: &Key,
        upload: &BlockUpload,
        blocks: &[Block],
    ) -> Result<Stored, StoreError> {
        let asked = self.asked(Operation::Put, key.as_str());
        let mut ask = Ask::new(Method::POST, key.as_str())
            .query("uploadId", &upload.id)
            .header("if-none-match", "*")
            .header("content-type", "application/xml");
        ask.body = Some(Body::from(parts(blocks).into_bytes()));
        match self.answer(asked, ask).await {
            Ok(answer) => {
                let version = answer.text_of("ETag").map(str::to_owned);
                Ok(Stored { version, checksum: None, is_md5_checked: true })
            }
            Err(error) if error.is_already_exists() => {
                self.give_up(key, upload).await;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets the service forget the blocks of an upload that is of no use any more.
    async fn give_up(&self, key: &Key, upload: &BlockUpload) {
        let asked = self.asked(Operation::Delete, key.as_str());
        let ask = Ask::new(Method::DELETE, key.as_str()).query("uploadId", &upload.id);
        if let Err(error) = self.send(asked, ask).await {
            tracing::debug!(%error, "the blocks stay until the bucket's rules remove them");
        }
    }

    /// The answer to a request, as XML; one that says in its body that it failed is a failure.
    async fn answer(&self, asked: Asked<'_>, ask: Ask<'_>) -> Result<Element, StoreError> {
        let reply = self.send(asked, ask).await?;
        match reply.status() {
            200 => read_answer(asked, reply).await,
            _ => Err(self.refused(asked, reply).await),
        }
    }

    /// The same; nothing where the keys may not look, or where there is nothing.
    async fn answer_if_permitted(
        &self,
        asked: Asked<'_>,
        ask: Ask<'_>,
    ) -> Result<Option<Element>, StoreError> {
        match self.answer(asked, ask).await {
            Ok(answer) => Ok(Some(answer)),
            Err(StoreError::Denied { .. } | StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

async fn read_answer(asked: Asked<'_>, reply: Reply) -> Result<Element, StoreError> {
    let bytes = reply.bytes(MOST_XML_BYTES).await.map_err(|fault| asked.network(fault))?;
    let answer = std::str::from_utf8(&bytes).ok().and_then(Element::parse);
    let answer = answer.ok_or_else(|| asked.nonsense("the answer is no XML"))?;
    match (answer.name.as_str(), answer.text_of("Code")) {
        ("Error", Some("PreconditionFailed")) => Err(asked.already_exists()),
        ("Error", _) => Err(asked.nonsense("the blocks were not put together")),
        _ => Ok(answer),
    }
}

fn parts(blocks: &[Block]) -> String {
    let part = |block: &Block| {
        let (number, tag) = (block.number + 1, data_encoding::HEXLOWER.encode(&block.md5));
        format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{tag}\"</ETag></Part>")
    };
    let parts: String = blocks.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

/// A part as it is listed; one whose tag is no MD5 (a bucket encrypted with keys of KMS) is sent again.
fn read_part(part: &Element) -> Option<Block> {
    let number = part.text_of("PartNumber")?.parse::<u32>().ok()?.checked_sub(1)?;
    let tag = part.text_of("ETag")?.trim_matches('"');
    let md5 = data_encoding::HEXLOWER.decode(tag.as_bytes()).ok()?.try_into().ok()?;
    Some(Block { number, md5, length_bytes: part.text_of("Size")?.parse().ok()? })
}
