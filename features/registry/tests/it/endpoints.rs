//! Endpoints: which host devices are told.

use model::iot::op::DescribeEndpoint;
use serde_json::json;

use crate::{code, server};

#[tokio::test]
async fn every_endpoint_is_localhost_until_a_domain_is_set() {
    let server = server().await;
    for request in [
        json!({}),
        json!({"endpointType": "iot:Data"}),
        json!({"endpointType": "iot:Data-ATS"}),
        json!({"endpointType": "iot:CredentialProvider"}),
        json!({"endpointType": "iot:Jobs"}),
        json!({"endpointType": "iot:DeviceAdvisor"}),
        json!({"endpointType": "iot:Data-Beta"}),
    ] {
        let endpoint = server.call::<DescribeEndpoint>(request).await.unwrap();
        assert_eq!(endpoint, json!({"endpointAddress": "localhost"}));
    }
    let unknown = server.call::<DescribeEndpoint>(json!({"endpointType": "iot:Abc"})).await;
    assert_eq!(code(unknown), "InvalidRequestException");
}
