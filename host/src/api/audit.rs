//! Writing down who did what through the API.

use super::{respond::RequestId, state::ApiState};
use crate::auth::{self, Action, AuditEntry, Principal};

/// Writes down that the caller did this to `subject`. Where that fails, it is logged: what was done stays done.
pub async fn audit(
    state: &ApiState,
    principal: &Principal,
    action: Action,
    subject: impl AsRef<str>,
    request_id: &RequestId,
) {
    let subject = subject.as_ref();
    auth::record_or_log(state.db(), AuditEntry { principal, action, subject, request_id: &request_id.0 }).await;
}
