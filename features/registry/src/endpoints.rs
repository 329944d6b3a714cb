//! Endpoints: the host names under which an account's devices reach the server.

use model::iot::{DescribeEndpointRequest, DescribeEndpointResponse};
use service::{ApiError, Cx, operations};
use types::Tenant;

/// The host that serves every endpoint while no domain is set.
const LOCAL_HOST: &str = "localhost";

operations! { iot:
    DescribeEndpoint => describe_endpoint,
}

/// Tells the host of an endpoint: `iot:Data` unless another type is named.
async fn describe_endpoint(
    cx: &Cx,
    request: DescribeEndpointRequest,
) -> Result<DescribeEndpointResponse, ApiError> {
    let endpoint_type = request.endpoint_type.as_deref().unwrap_or("iot:Data");
    let domain = cx.app.settings.endpoint_domain.as_deref();
    let address = address(endpoint_type, &cx.tenant, domain).ok_or_else(|| {
        ApiError::invalid(format!("Endpoint type {endpoint_type} not recognized."))
    })?;
    Ok(DescribeEndpointResponse { endpoint_address: Some(address) })
}

/// A bare host name, or nothing for an unknown type.
fn address(endpoint_type: &str, tenant: &Tenant, domain: Option<&str>) -> Option<String> {
    let service = match endpoint_type {
        "iot:Data" | "iot:Data-Beta" => ".iot",
        "iot:Data-ATS" => "-ats.iot",
        "iot:CredentialProvider" => ".credentials.iot",
        "iot:Jobs" => ".jobs.iot",
        "iot:DeviceAdvisor" => ".deviceadvisor.iot",
        _ => return None,
    };
    Some(match domain {
        None => LOCAL_HOST.to_owned(),
        Some(domain) => format!("{}{service}.{}.{domain}", tenant.endpoint_prefix(), tenant.region),
    })
}

#[cfg(test)]
mod tests {
    use types::TenantId;

    use super::*;

    fn tenant(region: &str) -> Tenant {
        let account = "123456789012".parse().unwrap();
        Tenant { id: TenantId(1), account, region: region.parse().unwrap() }
    }

    #[test]
    fn without_a_domain_every_endpoint_is_localhost() {
        for known in ["iot:Data", "iot:Data-ATS", "iot:CredentialProvider", "iot:Jobs"] {
            assert_eq!(address(known, &tenant("eu-west-1"), None).as_deref(), Some("localhost"));
        }
        assert_eq!(address("iot:Abc", &tenant("eu-west-1"), None), None);
    }

    #[test]
    fn with_a_domain_each_type_has_its_name() {
        let tenant = tenant("eu-west-1");
        let prefix = tenant.endpoint_prefix();
        for (endpoint_type, expected) in [
            ("iot:Data", ".iot.eu-west-1.iot.example.com"),
            ("iot:Data-ATS", "-ats.iot.eu-west-1.iot.example.com"),
            ("iot:CredentialProvider", ".credentials.iot.eu-west-1.iot.example.com"),
            ("iot:Jobs", ".jobs.iot.eu-west-1.iot.example.com"),
            ("iot:DeviceAdvisor", ".deviceadvisor.iot.eu-west-1.iot.example.com"),
            ("iot:Data-Beta", ".iot.eu-west-1.iot.example.com"),
        ] {
            let found = address(endpoint_type, &tenant, Some("iot.example.com"));
            assert_eq!(found, Some(format!("{prefix}{expected}")), "{endpoint_type}");
        }
    }
}
