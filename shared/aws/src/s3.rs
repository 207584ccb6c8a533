//! Objects in S3, under the feature `s3`. Without it nobody reads objects, and says so.
//!
//! A key that is not there is told from one that may not be read only where the function may list the
//! bucket (`s3:ListBucket`): otherwise S3 calls both a refusal, which stays to be tried again.
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
