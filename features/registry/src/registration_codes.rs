//! Registration codes: what a CA signs to prove that whoever registers it holds its key.

use model::iot::{
    DeleteRegistrationCodeRequest, DeleteRegistrationCodeResponse, GetRegistrationCodeRequest,
    GetRegistrationCodeResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, operations};
use store::Batch;

use crate::store::registration_codes;

operations! { iot:
    GetRegistrationCode => get_registration_code,
    DeleteRegistrationCode => delete_registration_code,
}

/// Returns the code, which is made when it is first asked for and stays until it is deleted.
async fn get_registration_code(
    cx: &Cx,
    _request: GetRegistrationCodeRequest,
) -> Result<GetRegistrationCodeResponse, ApiError> {
    let code = retry(|| async {
        if let Some(stored) = registration_codes::find(cx).await? {
            return Ok(stored.document.code);
        }
        let code = format!("{}{}", cx.new_uuid().simple(), cx.new_uuid().simple());
        let mut batch = Batch::new();
        registration_codes::create(cx, &mut batch, &code);
        cx.commit(batch).await?;
        Ok(code)
    });
    Ok(GetRegistrationCodeResponse { registration_code: Some(code.await?) })
}

/// Deletes the code: what was signed for it registers nothing any more.
async fn delete_registration_code(
    cx: &Cx,
    _request: DeleteRegistrationCodeRequest,
) -> Result<DeleteRegistrationCodeResponse, ApiError> {
    retry(|| try_delete(cx)).await?;
    Ok(DeleteRegistrationCodeResponse {})
}

async fn try_delete(cx: &Cx) -> Result<(), Setback> {
    let stored = registration_codes::find(cx).await?;
    let code = stored.ok_or_else(|| ApiError::not_found("There is no registration code."))?;
    let mut batch = Batch::new();
    registration_codes::delete(&mut batch, &code);
    cx.commit(batch).await?;
    Ok(())
}
