//! What was counted for one tenant in all environments: from CloudWatch, where
//! [`drover_core::base::metrics::emf`] has it under the tenant's own dimension if the tenant is listed.
//!
//! One call asks for everything, over the last day, and what comes back on one page or several
//! becomes [`Kept`] only if every question has its whole answer. A part would look like fewer events
//! than there were.
//!
//! - `question`: what is asked, and under which names
//! - `answer`: what comes back
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MetricDataQuery, MetricDataResult};
use drover_aws::calls;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::id::TenantId;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;

use self::answer::Answers;
pub use self::answer::Kept;
use self::question::questions;

mod answer;
mod question;

/// How long after its end a minute may still grow: CloudWatch takes two minutes to show what it was
/// given. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html>
pub const LATE_SECONDS: i64 = 120;

/// How far back counts are read.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// All pages together.
const WITHIN: Duration = Duration::from_secs(10);
/// A day of all questions is 7,205 points, and a page has 100,800.
const PAGES: usize = 8;

/// The counts in CloudWatch.
#[derive(Clone, Debug)]
pub struct CloudWatch {
    client: Client,
    keeping: Keeping,
}

impl CloudWatch {
    /// A client with the ambient region and credentials; none where no tenant is listed, for whom
    /// nothing would ever be asked.
    pub async fn load(keeping: Keeping) -> Option<Self> {
        if keeping.tenants.is_empty() {
            return None;
        }
        Some(Self::new(&drover_aws::sdk_config().await, keeping))
    }

    /// A client with settings that somebody else made. It keeps its own retries.
    pub fn new(sdk: &SdkConfig, keeping: Keeping) -> Self {
        let config = aws_sdk_cloudwatch::config::Builder::from(sdk);
        let config = config.timeout_config(calls::bulk_timeouts(sdk.timeout_config())).build();
        Self { client: Client::from_conf(config), keeping }
    }

    /// What was counted for a tenant; `None`: the tenant is not listed, and its counts are not kept
    /// apart from others'.
    ///
    /// # Errors
    /// CloudWatch does not answer, or not with everything.
    pub async fn counts(
        &self,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Option<Kept>, Unavailable> {
        if !self.keeping.tenants.contains(scope.tenant()) {
            return Ok(None);
        }
        let kept = tokio::time::timeout(WITHIN, self.read(scope.tenant(), Span::before(now))).await;
        let too_slow =
            |_| Unavailable::new(Reason::Unreachable, "reading counts had no answer in time");
        let kept = kept.map_err(too_slow).flatten();
        kept.map(Some).map_err(|unavailable| unavailable.of(Dependency::MetricStore))
    }

    async fn read(&self, tenant: &TenantId, span: Span) -> Result<Kept, Unavailable> {
        let queries = questions(&self.keeping.namespace, tenant);
        let (mut answers, mut next) = (Answers::default(), None);
        for _ in 0..PAGES {
            let (results, more) = self.page(&queries, span, next).await?;
            results.iter().try_for_each(|result| answers.take(result))?;
            next = more;
            if next.is_none() {
                return answers.kept(span.since);
            }
        }
        let message = format!("reading counts came to no end: pages=`{PAGES}`");
        Err(Unavailable::new(Reason::Unreachable, message))
    }

    async fn page(
        &self,
        queries: &[MetricDataQuery],
        span: Span,
        next: Option<String>,
    ) -> Result<(Vec<MetricDataResult>, Option<String>), Unavailable> {
        let request = self
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(queries.to_vec()))
            .start_time(DateTime::from_secs(span.since.whole_seconds()))
            .end_time(DateTime::from_secs(span.until.whole_seconds()))
            .set_next_token(next);
        let page = request.send().await;
        let page = page.map_err(|error| calls::unavailable("reading counts", &error))?;
        let next = page.next_token.filter(|token| !token.is_empty());
        Ok((page.metric_data_results.unwrap_or_default(), next))
    }
}

/// Both ends are at full periods, so that none is cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    since: Timestamp,
    until: Timestamp,
}

impl Span {
    /// The day before an instant, with the period that it is in.
    fn before(now: Timestamp) -> Self {
        let period = i64::from(question::PERIOD);
        let full = |instant: Timestamp| {
            let over = instant.micros().rem_euclid(period * 1_000_000);
            Timestamp::from_micros(instant.micros() - over).unwrap_or(instant)
        };
        Self { since: full(now.plus_seconds(-DAY_SECONDS)), until: full(now).plus_seconds(period) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_at_full_five_minutes() {
        let at = |text| Timestamp::parse_rfc3339(text).expect("an instant");
        let check = |now, since, until| {
            assert_eq!(Span::before(at(now)), Span { since: at(since), until: at(until) });
        };
        check("2026-11-21T06:04:59.9Z", "2026-11-20T06:00:00Z", "2026-11-21T06:05:00Z");
        check("2026-11-21T06:05:00Z", "2026-11-20T06:05:00Z", "2026-11-21T06:10:00Z");
    }
}
