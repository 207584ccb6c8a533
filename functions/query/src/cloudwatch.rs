//! A tenant's counts across all environments, from CloudWatch. [`drover_core::base::metrics::emf`]
//! writes counts under the tenant's own dimension if the tenant is listed.
//!
//! One call requests every metric of the last day. The result becomes [`Kept`] only if every query
//! is answered completely: a partial result would look like fewer events.
//!
//! - `question`: the metric queries and their ids
//! - `answer`: reads the results
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

/// How long after its end the value of a minute may still grow: CloudWatch shows metrics with a
/// delay of two minutes. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html>
pub const LATE_SECONDS: i64 = 120;

/// The period that counts cover.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The timeout of all pages together.
const WITHIN: Duration = Duration::from_secs(10);
/// A day of all queries has 7,205 points, and a page holds 100,800.
const PAGES: usize = 8;

/// Reads counts from CloudWatch.
#[derive(Clone, Debug)]
pub struct CloudWatch {
    client: Client,
    keeping: Keeping,
}

impl CloudWatch {
    /// A client with the ambient region and credentials, or `None` if no tenant is listed.
    pub async fn load(keeping: Keeping) -> Option<Self> {
        if keeping.tenants.is_empty() {
            return None;
        }
        Some(Self::new(&drover_aws::sdk_config().await, keeping))
    }

    /// A client with the given settings, including their retries.
    pub fn new(sdk: &SdkConfig, keeping: Keeping) -> Self {
        let config = aws_sdk_cloudwatch::config::Builder::from(sdk);
        let config = config.timeout_config(calls::bulk_timeouts(sdk.timeout_config())).build();
        Self { client: Client::from_conf(config), keeping }
    }

    /// The counts of a tenant. `None`: the tenant is not listed and has no counts of its own.
    ///
    /// # Errors
    /// CloudWatch does not answer, or only in part.
    pub async fn counts(
        &self,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Option<Kept>, Unavailable> {
        if !self.keeping.tenants.contains(scope.tenant()) {
            return Ok(None);
        }
        let kept = tokio::time::timeout(WITHIN, self.read(scope.tenant(), Span::before(now))).await;
        let too_slow = |_| Unavailable::new(Reason::Unreachable, "reading counts timed out");
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
        let message = format!("reading counts took too many pages: pages=`{PAGES}`");
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

/// A time range that begins and ends at full periods, so that no period is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    since: Timestamp,
    until: Timestamp,
}

impl Span {
    /// The day before an instant, including the instant's period.
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
