//! Objects that are sent in blocks: *Put Block*, *Get Block List*, *Put Block List*.
//!
//! A block's id is its number and the MD5 of its bytes, so an interrupted upload is found again at the service itself and
//! nothing about it is kept here. Azure drops blocks that nobody commits after a week.

use azure_core::http::{Body as SdkBody, RequestContent};
use azure_storage_blob::models::{
    BlockBlobClientCommitBlockListOptions, BlockBlobClientCommitBlockListResultHeaders as _,
    BlockBlobClientStageBlockOptions, BlockListType, BlockLookupList,
};
use data_encoding::HEXLOWER;

use super::error::meaning;
use super::{AzureBlob, metadata_of, to_access_tier};
use crate::error::{Operation, StoreError};
use crate::http::{Asked, BodyReader};
use crate::name::Key;
use crate::remote::{Block, BlockUpload, Body, PutOptions, Stored};

impl AzureBlob {
    fn asked_to_put<'a>(&'a self, key: &'a Key) -> Asked<'a> {
        Asked { place: &self.label, operation: Operation::Put, object: key.as_str() }
    }

    pub(super) async fn find_blocks(&self, key: &Key) -> Result<BlockUpload, StoreError> {
        let asked = self.asked_to_put(key);
        let client = self.blob(key).block_blob_client();
        let list = match client.get_block_list(BlockListType::Uncommitted, None).await {
            Ok(answer) => answer.into_model().map_err(|error| meaning(asked, error))?,
            Err(error) => match meaning(asked, error) {
                // Nothing was sent yet; or who may only create may not look, and sends everything.
                StoreError::NotFound { .. } | StoreError::Denied { .. } => return Ok(BlockUpload::default()),
                error => return Err(error),
            },
        };
        let blocks = list.uncommitted_blocks.unwrap_or_default().into_iter();
        let taken = blocks.filter_map(|block| read_id(&block.name?, u64::try_from(block.size?).ok()?));
        Ok(BlockUpload { id: String::new(), taken: taken.collect() })
    }

    pub(super) async fn stage(&self, key: &Key, block: Block, body: Body) -> Result<(), StoreError> {
        let content: RequestContent<_, _> = match body {
            Body::Bytes(bytes) => bytes.into(),
            file @ Body::File { .. } => SdkBody::SeekableStream(Box::new(BodyReader::new(file))).into(),
        };
        let options = BlockBlobClientStageBlockOptions {
            transactional_content_md5: Some(block.md5.to_vec()),
            ..Default::default()
        };
        let client = self.blob(key).block_blob_client();
        let id = id_of(&block);
        let staged = client.stage_block(id.as_bytes(), block.length_bytes, content, Some(options)).await;
        staged.map(drop).map_err(|error| meaning(self.asked_to_put(key), error))
    }

    pub(super) async fn commit(
        &self,
        key: &Key,
        blocks: &[Block],
        options: &PutOptions,
    ) -> Result<Stored, StoreError> {
        let asked = self.asked_to_put(key);
        self.check_tier(asked, options)?;
        let ids = blocks.iter().map(|block| id_of(block).into_bytes()).collect();
        let list = BlockLookupList { latest: Some(ids), ..Default::default() };
        let list = list.try_into().map_err(|error| meaning(asked, error))?;
        let media_type = options.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
        let commit = BlockBlobClientCommitBlockListOptions {
            tier: options.tier.map(to_access_tier),
            blob_content_type: Some(media_type),
            // Stored as it is said; what was compared is the MD5 of each block.
            blob_content_md5: options.md5.map(Vec::from),
            metadata: metadata_of(options),
            if_none_match: Some("*".into()),
            ..Default::default()
        };
        match self.blob(key).block_blob_client().commit_block_list(list, Some(commit)).await {
            Ok(answer) => {
                let version = answer.etag().map_err(|error| meaning(asked, error))?;
                let version = version.map(|etag| etag.to_string());
                Ok(Stored { version, checksum: None, is_md5_checked: true })
            }
            Err(error) => match meaning(asked, error) {
                StoreError::Archived { .. } => Err(asked.already_exists()),
                error => Err(error),
            },
        }
    }
}

/// All ids of a blob have the same length, as the service demands.
fn id_of(block: &Block) -> String {
    format!("{:05}-{}", block.number, HEXLOWER.encode(&block.md5))
}

fn read_id(id: &[u8], length_bytes: u64) -> Option<Block> {
    let (number, md5) = std::str::from_utf8(id).ok()?.split_once('-')?;
    let md5 = HEXLOWER.decode(md5.as_bytes()).ok()?.try_into().ok()?;
    Some(Block { number: number.parse().ok()?, md5, length_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_known_again_by_its_id() {
        let block = Block { number: 42, md5: [0xab; 16], length_bytes: 7 };
        assert_eq!(read_id(id_of(&block).as_bytes(), 7), Some(block));
        for foreign in ["", "00001", "x-00", "00001-zz", "00001-abab"] {
            assert_eq!(read_id(foreign.as_bytes(), 7), None, "{foreign}");
        }
    }
}
