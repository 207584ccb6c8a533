//! The subject that a command is about, for `inspect`, `carry` and `forget`.

use std::sync::Arc;

use clap::Args;
use drover_aws::Aws;
use drover_core::base::error::{Rejection, Unavailable};
use drover_core::base::id::{SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::intake::tenant::Tenant;
use drover_core::ports::Clock as _;
use drover_core::registry::Registry;

/// The words that name it.
#[derive(Args, Clone, Debug)]
pub struct SubjectArgs {
    /// The tenant
    tenant: String,
    /// The subject, for example device/device-001
    #[arg(value_name = "KIND/ID")]
    subject: String,
}

/// Why there is no such subject.
#[derive(Debug, thiserror::Error)]
pub enum NoSubject {
    /// None can have this name.
    #[error("not a tenant and a subject: tenant=`{tenant}`, subject=`{subject}`")]
    Name {
        /// The tenant that was given.
        tenant: String,
        /// The subject that was given.
        subject: String,
        /// What is wrong with it.
        source: Rejection,
    },
    /// No such tenant.
    #[error("no tenant has this name: tenant=`{tenant}`")]
    UnknownTenant {
        /// The tenant.
        tenant: TenantId,
    },
    /// The tenant could not be read.
    #[error("the tenant could not be read")]
    Unavailable(#[from] Unavailable),
    /// Nothing was ever written of it, or it was forgotten.
    #[error("nothing is stored of this subject: tenant=`{tenant}`, subject=`{subject}`")]
    Unknown {
        /// The tenant.
        tenant: TenantId,
        /// The subject.
        subject: SubjectId,
    },
}

impl SubjectArgs {
    /// Who runs a command can read and write the database file as well, or has the stack's tables from
    /// IAM: the operator's word is enough.
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

/// What is decided about the subject: where it lives is part of it.
///
/// # Errors
/// [`NoSubject::UnknownTenant`], [`NoSubject::Unavailable`].
pub(super) async fn tenant_of(aws: &Aws, key: &SubjectKey) -> Result<Arc<Tenant>, NoSubject> {
    let tenant = Registry::new().tenant(key.tenant(), aws.now(), aws).await?;
    tenant.ok_or_else(|| NoSubject::UnknownTenant { tenant: key.tenant().clone() })
}
