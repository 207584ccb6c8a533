//! The endpoint of a service: from the environment or the profile, otherwise AWS's endpoint in the
//! region.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A service with handwritten requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    CloudFormation,
    Lambda,
}

/// Prefixes of region names, with the domain of their services: the default domain, and the
/// dual-stack domain with IPv6. From the SDK's list of partitions.
const PARTITIONS: [(&str, &str, &str); 6] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
];

/// All other regions.
const COMMERCIAL: (&str, &str, &str) = ("", "amazonaws.com", "api.aws");

impl Service {
    /// For people, and in the names of settings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CloudFormation => "CloudFormation",
            Self::Lambda => "Lambda",
        }
    }

    /// In host names and signatures.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::CloudFormation => "cloudformation",
            Self::Lambda => "lambda",
        }
    }

    /// `https://HOST`, or the configured endpoint without a slash at the end.
    pub(super) fn endpoint(self, sdk: &SdkConfig, region: &str) -> String {
        let named = self.named_endpoint(sdk);
        let named = named.or_else(|| sdk.endpoint_url().map(str::to_owned));
        named.map_or_else(
            || {
                let host = self.host(region, sdk.use_fips() == Some(true));
                let suffix = suffix(region, sdk.use_dual_stack() == Some(true));
                format!("https://{host}.{suffix}")
            },
            |url| url.trim_end_matches('/').to_owned(),
        )
    }

    /// For example `AWS_ENDPOINT_URL_LAMBDA`, or the same setting in the profile's `services`.
    fn named_endpoint(self, sdk: &SdkConfig) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(self.name())
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url");
        sdk.service_config()?.load_config(key.build().ok()?)
    }

    fn host(self, region: &str, fips: bool) -> String {
        let fips = if fips { "-fips" } else { "" };
        format!("{}{fips}.{region}", self.word())
    }
}

fn suffix(region: &str, dual_stack: bool) -> &'static str {
    let of_region = PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix));
    let (_, usual, dual) = of_region.unwrap_or(&COMMERCIAL);
    if dual_stack { dual } else { usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_follows_from_the_region() {
        let sdk = SdkConfig::builder().build();
        for (region, expected) in [
            ("eu-central-1", "https://lambda.eu-central-1.amazonaws.com"),
            ("us-gov-west-1", "https://lambda.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://lambda.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "https://lambda.eusc-de-east-1.amazonaws.eu"),
            ("us-isob-east-1", "https://lambda.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(Service::Lambda.endpoint(&sdk, region), expected);
        }
    }

    #[test]
    fn fips_and_dual_stack_have_their_own_hosts() {
        let sdk = SdkConfig::builder().use_fips(true).use_dual_stack(true).build();
        let expected = "https://cloudformation-fips.us-east-1.api.aws";
        assert_eq!(Service::CloudFormation.endpoint(&sdk, "us-east-1"), expected);
    }

    #[test]
    fn a_configured_endpoint_is_used_unchanged() {
        let sdk =
            SdkConfig::builder().endpoint_url("http://127.0.0.1:4566/").use_fips(true).build();
        assert_eq!(Service::Lambda.endpoint(&sdk, "us-east-1"), "http://127.0.0.1:4566");
    }
}
