//! Objects in S3 (feature `s3`). Without the feature every read returns [`Object::NotRead`].
//!
//! The function needs `s3:ListBucket` to tell a missing key from a forbidden one: without the
//! permission S3 answers both with "access denied", and the read is tried again.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use drover_core::base::error::Unavailable;
use drover_core::dead_letter::object::Object;
use drover_core::ports::Objects;

use crate::Aws;

#[cfg(feature = "s3")]
mod reading;

impl Objects for Aws {
    #[cfg(feature = "s3")]
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        reading::object(&self.s3, bucket, key).await
    }

    #[cfg(not(feature = "s3"))]
    async fn object(&self, _bucket: &str, _key: &str) -> Result<Object, Unavailable> {
        Ok(Object::NotRead)
    }
}
