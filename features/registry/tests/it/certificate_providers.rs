//! Certificate providers.

use std::time::Duration;

use model::iot::op::{
    CreateCertificateProvider, DeleteCertificateProvider, DescribeCertificateProvider,
    ListCertificateProviders, ListTagsForResource, UpdateCertificateProvider,
};
use serde_json::{Value, json};

use crate::{code, refusal, server};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:sign";
const ARN: &str = "arn:aws:iot:us-east-1:000000000000:certificateprovider:mill";

fn request(name: &str) -> Value {
    json!({
        "certificateProviderName": name,
        "lambdaFunctionArn": FUNCTION,
        "accountDefaultForOperations": ["CreateCertificateFromCsr"],
    })
}

#[tokio::test]
async fn a_provider_is_described_as_created_and_changed() {
    let server = server().await;
    let created = server.call::<CreateCertificateProvider>(request("mill")).await.unwrap();
    assert_eq!(created, json!({"certificateProviderName": "mill", "certificateProviderArn": ARN}));
    server.clock().advance(Duration::from_secs(1));
    let other = format!("{FUNCTION}-2");
    let change = json!({"certificateProviderName": "mill", "lambdaFunctionArn": other});
    let updated = server.call::<UpdateCertificateProvider>(change).await.unwrap();
    assert_eq!(updated, created);
    let name = json!({"certificateProviderName": "mill"});
    let described = server.call::<DescribeCertificateProvider>(name).await.unwrap();
    assert_eq!(
        described,
        json!({
            "certificateProviderName": "mill",
            "certificateProviderArn": ARN,
            "lambdaFunctionArn": other,
            "accountDefaultForOperations": ["CreateCertificateFromCsr"],
            "creationDate": 1_767_323_045,
            "lastModifiedDate": 1_767_323_046,
        })
    );
}

#[tokio::test]
async fn an_account_has_one_provider() {
    let server = server().await;
    let mut first = request("mill");
    first["clientToken"] = json!("0123456789abcdef0123456789abcdef0123");
    for _ in 0..2 {
        server.call::<CreateCertificateProvider>(first.clone()).await.unwrap();
    }
    let again = server.call::<CreateCertificateProvider>(request("mill")).await.unwrap_err();
    assert_eq!(again.code, "ResourceAlreadyExistsException");
    assert_eq!(again.members["resourceId"], "mill");
    assert_eq!(again.members["resourceArn"], ARN);
    let second = server.call::<CreateCertificateProvider>(request("plant")).await;
    assert_eq!(code(second), "LimitExceededException");
    let elsewhere = json!({
        "certificateProviderName": "plant",
        "lambdaFunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:sign",
        "accountDefaultForOperations": ["CreateCertificateFromCsr"],
    });
    let other_region = server.in_region("eu-west-1");
    other_region.call::<CreateCertificateProvider>(elsewhere).await.unwrap();
    let listed = server.call::<ListCertificateProviders>(json!({})).await.unwrap();
    let provider = json!({"certificateProviderName": "mill", "certificateProviderArn": ARN});
    assert_eq!(listed, json!({"certificateProviders": [provider]}));
    let foreign = server.call::<ListCertificateProviders>(json!({"nextToken": "abcd"})).await;
    assert_eq!(code(foreign), "InvalidRequestException");
}

#[tokio::test]
async fn of_two_providers_at_once_one_is_created() {
    let server = server().await;
    let (one, other) = tokio::join!(
        server.call::<CreateCertificateProvider>(request("mill")),
        server.call::<CreateCertificateProvider>(request("plant")),
    );
    assert_ne!(one.is_ok(), other.is_ok());
}

#[tokio::test]
async fn a_provider_goes_with_its_tags() {
    let server = server().await;
    let mut tagged = request("mill");
    tagged["tags"] = json!([{"Key": "a", "Value": "1"}]);
    server.call::<CreateCertificateProvider>(tagged.clone()).await.unwrap();
    let arn = json!({"resourceArn": ARN});
    let listed = server.call::<ListTagsForResource>(arn.clone()).await.unwrap();
    assert_eq!(listed["tags"], tagged["tags"]);
    let name = json!({"certificateProviderName": "mill"});
    server.call::<DeleteCertificateProvider>(name).await.unwrap();
    assert_eq!(
        code(server.call::<ListTagsForResource>(arn.clone()).await),
        "ResourceNotFoundException"
    );
    server.call::<CreateCertificateProvider>(request("mill")).await.unwrap();
    let listed = server.call::<ListTagsForResource>(arn).await.unwrap();
    assert_eq!(listed["tags"], json!([]));
}

#[tokio::test]
async fn a_provider_is_a_function_of_the_same_account_and_region() {
    let server = server().await;
    for wrong in [
        "hello",
        "arn:aws:lambda:eu-west-1:000000000000:function:sign",
        "arn:aws:lambda:us-east-1:111122223333:function:sign",
        "arn:aws:iam::000000000000:role/sign",
        "arn:aws:lambda:us-east-1:000000000000:layer:sign",
    ] {
        let mut request = request("mill");
        request["lambdaFunctionArn"] = json!(wrong);
        let refused = server.call::<CreateCertificateProvider>(request.clone()).await;
        let (code, message) = refusal(refused);
        assert_eq!(code, "InvalidRequestException");
        assert!(message.contains(wrong), "{message}");
        let refused = server.call::<UpdateCertificateProvider>(request).await;
        assert_eq!(refusal(refused), (code, message));
    }
}

#[tokio::test]
async fn an_unknown_provider_is_not_found() {
    let server = server().await;
    server.call::<CreateCertificateProvider>(request("mill")).await.unwrap();
    let unknown = json!({"certificateProviderName": "plant"});
    let missing = "ResourceNotFoundException";
    assert_eq!(code(server.call::<DescribeCertificateProvider>(unknown.clone()).await), missing);
    assert_eq!(code(server.call::<UpdateCertificateProvider>(unknown.clone()).await), missing);
    assert_eq!(code(server.call::<DeleteCertificateProvider>(unknown).await), missing);
}
