//! The subject argument of `inspect` and `forget`.

use std::sync::Arc;

use clap::Args;
use drover_aws::Aws;
use drover_core::base::error::{Rejection, Unavailable};
use drover_core::base::id::{SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::intake::tenant::Tenant;
use drover_core::ports::Clock as _;
use drover_core::registry::Registry;

/// The arguments that identify a subject.
#[derive(Args, Clone, Debug)]
pub struct SubjectArgs {
    /// The tenant
    tenant: String,
    /// The subject, for example device/device-001
    #[arg(value_name = "KIND/ID")]
    subject: String,
}

/// Why the subject was not found.
#[derive(Debug, thiserror::Error)]
pub enum NoSubject {
    /// The tenant or the subject is invalid.
    #[error("invalid tenant or subject: tenant=`{tenant}`, subject=`{subject}`")]
    Name {
        /// The tenant that was given.
        tenant: String,
        /// The subject that was given.
        subject: String,
        /// The reason.
        source: Rejection,
    },
    /// The tenant does not exist.
    #[error("unknown tenant: tenant=`{tenant}`")]
    UnknownTenant {
        /// The tenant.
        tenant: TenantId,
    },
    /// The tenant could not be read.
    #[error("cannot read the tenant")]
    Unavailable(#[from] Unavailable),
    /// The subject has no stored data, or was forgotten.
    #[error("the subject has no stored data: tenant=`{tenant}`, subject=`{subject}`")]
    Unknown {
        /// The tenant.
        tenant: TenantId,
        /// The subject.
        subject: SubjectId,
    },
}

impl SubjectArgs {
    /// The subject's key, with the operator's authority: a user of this command can already read
    /// and write the database file, or has access to the stack's tables by IAM.
    ///
    /// # Errors
    /// [`NoSubject::Name`].
    pub(super) fn key(&self) -> Result<SubjectKey, NoSubject> {
        let parse = || {
            let scope = TenantScope::by_operator(TenantId::parse(&self.tenant)?);
            Ok(scope.subject(SubjectId::parse(&self.subject)?))
        };
        parse().map_err(|source| NoSubject::Name {
            tenant: self.tenant.clone(),
            subject: self.subject.clone(),
            source,
        })
    }
}

impl NoSubject {
    pub(super) fn unknown(key: &SubjectKey) -> Self {
        Self::Unknown { tenant: key.tenant().clone(), subject: key.subject().clone() }
    }
}

/// The subject's tenant, whose placement locates the ledger.
///
/// # Errors
/// [`NoSubject::UnknownTenant`], [`NoSubject::Unavailable`].
pub(super) async fn tenant_of(aws: &Aws, key: &SubjectKey) -> Result<Arc<Tenant>, NoSubject> {
    let tenant = Registry::new().tenant(key.tenant(), aws.now(), aws).await?;
    tenant.ok_or_else(|| NoSubject::UnknownTenant { tenant: key.tenant().clone() })
}
