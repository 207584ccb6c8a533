//! The change streams of tenants' own ledger tables. The relay sends a tenant's feeds from the stream of its
//! table, so `apply` refuses feeds of a tenant whose stream the relay does not read.
//!
//! Left out: a stream that leaves the list of the stack later. Its tenants keep their feeds, and get nothing.

use drover_aws::Aws;
use drover_aws::tables::{change_stream, enable_stream, table_exists, table_of_stream};
use drover_core::base::error::Unavailable;
use drover_core::intake::fault::Fault;
use drover_core::registry::{Checked, Refusal};

/// The change streams of tenants' own ledger tables that a relay reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RelayedStreams {
    /// A host reads the stream of each table of a tenant with feeds.
    OfEveryTable,
    /// A stack reads the streams with these ARNs, of its parameter `TenantStreamArns`.
    Listed(Vec<String>),
}

/// Refuses feeds of tenants whose own table has no stream that the relay reads.
pub(super) async fn check(
    aws: &Aws,
    checked: &Checked,
    streams: &RelayedStreams,
) -> Result<(), Vec<Refusal>> {
    let mut refusals = Vec::new();
    for (origin, tenant, table) in checked.tables_with_feeds() {
        let fault = match streams {
            RelayedStreams::OfEveryTable => fault_on_host(aws, table).await,
            RelayedStreams::Listed(arns) => fault_on_stack(aws, table, arns).await,
        };
        refusals.extend(fault.map(|fault| {
            let message = format!("{fault}: tenant=`{tenant}` table=`{table}`");
            Refusal { origin: origin.to_owned(), fault: Fault::new("/feeds", message) }
        }));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Switches the streams of a host's tables on.
pub(super) async fn switch_on(
    aws: &Aws,
    checked: &Checked,
    streams: &RelayedStreams,
) -> Result<(), Unavailable> {
    if *streams == RelayedStreams::OfEveryTable {
        for (_, _, table) in checked.tables_with_feeds() {
            enable_stream(aws.dynamodb(), table).await?;
        }
    }
    Ok(())
}

async fn fault_on_host(aws: &Aws, table: &str) -> Option<&'static str> {
    // A table that cannot be checked gets a warning for its placement.
    matches!(table_exists(aws.dynamodb(), table).await, Ok(false)).then_some(
        "the ledger table of a tenant with feeds does not exist: create it, then apply again",
    )
}

/// Who may not describe tables gets only the check of the list.
async fn fault_on_stack(aws: &Aws, table: &str, arns: &[String]) -> Option<&'static str> {
    let is_of_table = |arn: &&String| table_of_stream(arn) == Some(table);
    let listed: Vec<&String> = arns.iter().filter(is_of_table).collect();
    if listed.is_empty() {
        return Some(
            "the relay does not read the change stream of the tenant's own table, so its feeds would \
             stay empty: switch the stream on with both images, add its ARN to TenantStreamArns of \
             the app stack and deploy the stack, then apply again; or remove the feeds",
        );
    }
    match change_stream(aws.dynamodb(), table).await {
        Ok(None) => Some(
            "the change stream of the tenant's own table is switched off: switch it on with both \
             images, put its new ARN into TenantStreamArns of the app stack and deploy the stack, \
             then apply again",
        ),
        Ok(Some(stream)) if !listed.contains(&&stream.arn) => Some(
            "TenantStreamArns of the app stack has an earlier change stream of the tenant's own \
             table: replace it by LatestStreamArn of the table and deploy the stack, then apply again",
        ),
        Ok(Some(stream)) if !stream.has_both_images => Some(
            "the change stream of the tenant's own table lacks images: switch it off, and on again \
             with NEW_AND_OLD_IMAGES, put its new ARN into TenantStreamArns of the app stack and \
             deploy the stack, then apply again",
        ),
        Ok(Some(_)) | Err(_) => None,
    }
}
