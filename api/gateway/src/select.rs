//! Which service a request is for: what its signature says, else what its host says.

use model::ServiceId;
use model::spec::Service;

/// The service of a signature's scope, if it is one of the ten.
///
/// AWS CLI 2.9 and SDKs of its age sign the control plane as `execute-api`; MQTT clients sign the
/// data plane as `iotdevicegateway`.
pub(crate) fn by_scope(scope: &str, host: &str) -> Option<&'static Service> {
    let id = match scope {
        "execute-api" => return Some(by_host(host).unwrap_or(ServiceId::Iot.service())),
        "iot" => ServiceId::Iot,
        "iotdata" | "iotdevicegateway" => ServiceId::IotData,
        "iot-jobs-data" => ServiceId::IotJobsData,
        _ => {
            let mut services = model::SERVICES.iter();
            return services.find(|s| s.signing_name.eq_ignore_ascii_case(scope)).copied();
        }
    };
    Some(id.service())
}

/// The service whose endpoint prefix begins the host's name; the longest prefix wins.
fn by_host(host: &str) -> Option<&'static Service> {
    let begins = |s: &&&'static Service| {
        host.strip_prefix(s.endpoint_prefix).is_some_and(|rest| rest.starts_with('.'))
    };
    let services = model::SERVICES.iter().filter(begins);
    services.max_by_key(|s| s.endpoint_prefix.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signing_name_finds_its_service() {
        for service in model::SERVICES {
            let found = by_scope(service.signing_name, "localhost").map(|s| s.id);
            assert_eq!(found, Some(service.id), "{}", service.signing_name);
        }
        assert_eq!(by_scope("s3", "localhost").map(|s| s.id), None);
    }

    #[test]
    fn execute_api_is_the_control_plane_unless_the_host_says_otherwise() {
        let service = |host| by_scope("execute-api", host).map(|s| s.id);
        assert_eq!(service("127.0.0.1:4566"), Some(ServiceId::Iot));
        assert_eq!(service("data.jobs.iot.us-east-1.example.org"), Some(ServiceId::IotJobsData));
    }
}
