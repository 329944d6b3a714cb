//! Certificate providers: create, describe, list, update, delete.

use model::iot::{
    CertificateProviderSummary, CreateCertificateProviderRequest,
    CreateCertificateProviderResponse, DeleteCertificateProviderRequest,
    DeleteCertificateProviderResponse, DescribeCertificateProviderRequest,
    DescribeCertificateProviderResponse, ListCertificateProvidersRequest,
    ListCertificateProvidersResponse, UpdateCertificateProviderRequest,
    UpdateCertificateProviderResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, PageRequest, operations};
use store::{Batch, Direction};
use types::Arn;

use crate::store::certificate_providers::{self, CertificateProvider};
use crate::store::{Stored, tags};
use crate::tags::of_new_resource;

operations! { iot:
    CreateCertificateProvider => create_certificate_provider,
    DescribeCertificateProvider => describe_certificate_provider,
    ListCertificateProviders => list_certificate_providers,
    UpdateCertificateProvider => update_certificate_provider,
    DeleteCertificateProvider => delete_certificate_provider,
}

/// Creates the tenant's provider. The same request again finds what it created.
async fn create_certificate_provider(
    cx: &Cx,
    request: CreateCertificateProviderRequest,
) -> Result<CreateCertificateProviderResponse, ApiError> {
    check_function(cx, &request.lambda_function_arn)?;
    let tags = of_new_resource(request.tags, &cx.app.limits)?;
    let provider = CertificateProvider::new(
        cx,
        request.certificate_provider_name,
        request.lambda_function_arn,
        request.account_default_for_operations,
        request.client_token,
    );
    let arn = certificate_providers::arn(cx, &provider.name);
    let created = retry(|| async {
        if let Some(existing) = certificate_providers::find(cx).await? {
            return repeated_or_refused(cx, &existing.document, &provider);
        }
        let mut batch = Batch::new();
        certificate_providers::create(cx, &mut batch, &provider);
        tags::create(cx, &mut batch, &arn, &tags);
        cx.commit(batch).await?;
        Ok(())
    });
    created.await?;
    Ok(CreateCertificateProviderResponse {
        certificate_provider_name: Some(provider.name),
        certificate_provider_arn: Some(arn),
    })
}

fn repeated_or_refused(
    cx: &Cx,
    existing: &CertificateProvider,
    wanted: &CertificateProvider,
) -> Result<(), Setback> {
    let name = &existing.name;
    if *name != wanted.name {
        let message = format!("An account can have one certificate provider, and has {name}.");
        return Err(ApiError::limit_exceeded(message).into());
    }
    let is_repeated = wanted.client_token.is_some()
        && existing.client_token == wanted.client_token
        && existing.lambda_function_arn == wanted.lambda_function_arn
        && existing.operations == wanted.operations;
    if is_repeated {
        return Ok(());
    }
    let message = format!("Certificate provider {name} already exists.");
    let arn = certificate_providers::arn(cx, name);
    Err(ApiError::already_exists(message, name, &arn).into())
}

async fn describe_certificate_provider(
    cx: &Cx,
    request: DescribeCertificateProviderRequest,
) -> Result<DescribeCertificateProviderResponse, ApiError> {
    let provider = find(cx, &request.certificate_provider_name).await?.document;
    Ok(DescribeCertificateProviderResponse {
        certificate_provider_arn: Some(certificate_providers::arn(cx, &provider.name)),
        certificate_provider_name: Some(provider.name),
        lambda_function_arn: Some(provider.lambda_function_arn),
        account_default_for_operations: Some(provider.operations),
        creation_date: Some(provider.created),
        last_modified_date: Some(provider.modified),
    })
}

/// Lists the only provider, if there is one.
async fn list_certificate_providers(
    cx: &Cx,
    request: ListCertificateProvidersRequest,
) -> Result<ListCertificateProvidersResponse, ApiError> {
    let token = request.next_token.as_deref();
    let page = PageRequest { token, limit: None, direction: Direction::Forward };
    // No page has a next one, so that no token is one of this list.
    cx.cursor("certificate-providers", page, 1)?;
    let found = certificate_providers::find(cx).await?;
    let listed = found.into_iter().map(|stored| CertificateProviderSummary {
        certificate_provider_arn: Some(certificate_providers::arn(cx, &stored.document.name)),
        certificate_provider_name: Some(stored.document.name),
    });
    let certificate_providers = Some(listed.collect());
    Ok(ListCertificateProvidersResponse { certificate_providers, next_token: None })
}

/// Changes what was given; the rest stays.
async fn update_certificate_provider(
    cx: &Cx,
    request: UpdateCertificateProviderRequest,
) -> Result<UpdateCertificateProviderResponse, ApiError> {
    if let Some(arn) = &request.lambda_function_arn {
        check_function(cx, arn)?;
    }
    let name = retry(|| try_update(cx, &request)).await?;
    Ok(UpdateCertificateProviderResponse {
        certificate_provider_arn: Some(certificate_providers::arn(cx, &name)),
        certificate_provider_name: Some(name),
    })
}

async fn try_update(
    cx: &Cx,
    request: &UpdateCertificateProviderRequest,
) -> Result<String, Setback> {
    let before = find(cx, &request.certificate_provider_name).await?;
    let mut after = before.document.clone();
    if let Some(arn) = &request.lambda_function_arn {
        after.lambda_function_arn.clone_from(arn);
    }
    if let Some(operations) = &request.account_default_for_operations {
        after.operations.clone_from(operations);
    }
    if after != before.document {
        after.modified = cx.now();
        let mut batch = Batch::new();
        certificate_providers::replace(&mut batch, &before, &after);
        cx.commit(batch).await?;
    }
    Ok(after.name)
}

async fn delete_certificate_provider(
    cx: &Cx,
    request: DeleteCertificateProviderRequest,
) -> Result<DeleteCertificateProviderResponse, ApiError> {
    retry(|| try_delete(cx, &request.certificate_provider_name)).await?;
    Ok(DeleteCertificateProviderResponse {})
}

async fn try_delete(cx: &Cx, name: &str) -> Result<(), Setback> {
    let provider = find(cx, name).await?;
    let mut batch = Batch::new();
    certificate_providers::delete(cx, &mut batch, &provider);
    cx.commit(batch).await?;
    Ok(())
}

async fn find(cx: &Cx, name: &str) -> Result<Stored<CertificateProvider>, ApiError> {
    let stored = certificate_providers::find(cx).await?;
    let found = stored.filter(|stored| stored.document.name == name);
    found.ok_or_else(|| ApiError::not_found(format!("Certificate provider {name} not found.")))
}

/// Refuses what cannot be a function of the tenant's.
fn check_function(cx: &Cx, text: &str) -> Result<(), ApiError> {
    let is_function = |arn: Arn<'_>| {
        arn.service == "lambda"
            && arn.resource.starts_with("function:")
            && arn.account == cx.tenant.account.as_str()
            && arn.region == cx.tenant.region.as_str()
    };
    if Arn::parse(text).is_ok_and(is_function) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{text} is not the ARN of a Lambda function in this account and region."
    )))
}
