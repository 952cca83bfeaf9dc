//! Errors become HTTP here and nowhere else: every problem code has one status.
//!
//! A handler returns [`ApiError`]; its body is written by [`super::respond`], which knows the request id.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    auth::AuthError,
    catalog::{
        CatalogError,
        issue::{ImportRejected, IssueView},
    },
    db::DbError,
    domain::problem::Problem,
    jobs::JobsError,
    plugins::PluginFailure,
    webhooks::WebhooksError,
};

/// What a problem's `type` starts with; the code follows. The host cannot exist (RFC 2606): the URI is a name, not a page.
pub const TYPE_BASE: &str = "https://paddock.invalid/problems/";

/// What a failed response tells: the problem, and everything that is wrong with a file.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The problem.
    pub problem: Problem,
    /// What is wrong with an imported file, in its order; empty elsewhere.
    pub issues: Vec<IssueView>,
}

/// A request that ends in a problem.
#[derive(Debug)]
pub struct ApiError {
    problem: Problem,
    issues: Vec<IssueView>,
    status: StatusCode,
    retry_after_s: Option<u64>,
    /// Rare, so it does not make every result larger.
    headers: Option<Box<HeaderMap>>,
}

impl ApiError {
    /// The title, detail and next step of the failure, with the HTTP status that belongs to its code.
    #[must_use]
    pub fn new(problem: Problem) -> Self {
        let status = status_of(&problem.code);
        Self { problem, issues: Vec::new(), status, retry_after_s: None, headers: None }
    }

    /// The same failure with a hint when to try again, in seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same failure with more fields in its head.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = Some(Box::new(headers));
        self
    }

    /// The same failure of something that stands below `pointer` in what the client has sent.
    #[must_use]
    pub fn below(mut self, pointer: &str) -> Self {
        if let Some(field) = self.problem.field.as_mut().filter(|field| field.is_empty() || field.starts_with('/')) {
            field.insert_str(0, pointer);
        }
        self
    }

    /// No usable key was sent. `detail` never says whether a key exists.
    #[must_use]
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(
            Problem::new(
                "unauthenticated",
                "A valid API key is needed",
                detail,
                "Send `Authorization: Bearer pdk_...`; `paddock key create --team NAME` makes a key.",
            )
            .at("Authorization"),
        )
    }

    /// The key is valid but lacks a scope.
    #[must_use]
    pub fn missing_scope(scope: crate::auth::Scope) -> Self {
        Self::new(Problem::new(
            "missing-scope",
            "The key may not do this",
            format!("This needs the scope `{scope}`, which the key does not have."),
            format!("Use a key with the scope `{scope}`."),
        ))
    }

    /// The thing is another team's. Says nothing about it.
    #[must_use]
    pub fn foreign() -> Self {
        Self::new(Problem::new(
            "not-yours",
            "This belongs to another team",
            "The key's team does not own it.",
            "Use a key of the team that owns it.",
        ))
    }

    /// There is no such thing (or the text is not an id at all).
    #[must_use]
    pub fn not_found(kind: &str) -> Self {
        Self::new(Problem::new(
            "not-found",
            "There is no such thing",
            format!("No {kind} has this id."),
            format!("Look the {kind} up in its list."),
        ))
    }

    /// Something failed that is not the client's doing. The cause goes to the log, once, and never to the client.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "a request failed for a reason the client cannot know");
        Self::new(Problem::internal("The request could not be completed."))
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// What the client will read.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The problem's stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.problem.code
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl From<ImportRejected> for ApiError {
    fn from(rejected: ImportRejected) -> Self {
        let mut error = Self::new(rejected.to_problem());
        error.issues = rejected.issues.into_iter().map(IssueView::from).collect();
        error
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Db(error) => error.into(),
            // Not the catalog's words: they name what belongs to another team.
            CatalogError::NotYours { .. } => Self::foreign(),
            error => Self::new(error.to_problem()),
        }
    }
}

impl From<PluginFailure> for ApiError {
    fn from(failure: PluginFailure) -> Self {
        let error = Self::new(failure.to_problem());
        if failure.is_retryable() { error.retry_after(5) } else { error }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Busy => {
                let problem = Problem::new(
                    "busy",
                    "The database is busy",
                    "Too many want to write at once; nothing was changed.",
                    "Retry.",
                );
                Self::new(problem).retry_after(1)
            }
            error @ (DbError::Away(_) | DbError::NotCommitted(_)) => {
                tracing::error!(error = %error, "a request found no database");
                let problem = Problem::new(
                    "database-unavailable",
                    "The database is not there",
                    "The database went away; whether this request was carried out cannot be known.",
                    "Retry; a request with an Idempotency-Key is carried out once, however often it is sent.",
                );
                Self::new(problem).retry_after(2)
            }
            error => Self::internal(&error),
        }
    }
}

impl From<JobsError> for ApiError {
    fn from(error: JobsError) -> Self {
        match error {
            JobsError::UnknownJob(_) => Self::not_found("job"),
            JobsError::JobLive(_) => Self::new(Problem::new(
                "job-live",
                "The job has not ended",
                "A job that is queued or running cannot be deleted.",
                "Cancel it first, or wait for its end.",
            )),
            JobsError::UnknownSchedule(_) => Self::not_found("schedule"),
            JobsError::ScheduleNameTaken(name) => Self::new(
                Problem::new(
                    "already-exists",
                    "The name is taken",
                    format!("Your team has a schedule named `{name}` already."),
                    "Choose another name, or change the other schedule.",
                )
                .at("/name"),
            ),
            JobsError::TooManySchedules(most) => Self::new(
                Problem::new(
                    "over-quota",
                    "The team has too many schedules",
                    format!("Your team has {most} schedules."),
                    "Delete a schedule that is not needed.",
                )
                .with_limit(format!("{most} schedules per team")),
            ),
            JobsError::ScheduleChanged(_) => Self::new(Problem::new(
                "conflict",
                "It was changed meanwhile",
                "Somebody else changed the schedule at the same time; nothing of this request was done.",
                "Read it again, and repeat the request if it still makes sense.",
            )),
            JobsError::Db(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<WebhooksError> for ApiError {
    fn from(error: WebhooksError) -> Self {
        match error {
            WebhooksError::Db(error) => error.into(),
            error @ (WebhooksError::Randomness | WebhooksError::Client(_)) => Self::internal(&error),
            error => Self::new(error.to_problem()),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Db(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

/// The response without its body: [`super::respond::complete`] finds the problem in the extensions and writes it.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"paddock\""));
        }
        response.headers_mut().extend(self.headers.into_iter().flat_map(|headers| *headers));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Failure { problem: self.problem, issues: self.issues });
        response
    }
}

/// The status of each code. A code that is not listed here is a failure of the server: 500 is loud enough to be seen and corrected.
fn status_of(code: &str) -> StatusCode {
    match code {
        "malformed-json" | "malformed-query" | "malformed-header" | "malformed-body" => StatusCode::BAD_REQUEST,
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "not-yours" | "missing-scope" => StatusCode::FORBIDDEN,
        "not-found" | "no-such-route" => StatusCode::NOT_FOUND,
        "method-not-allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "job-not-finished" | "job-live" | "job-cancelled" | "job-ended" | "duplicate-job" | "cancelled"
        | "unsigned-result" | "no-record" | "original-gone" | "already-exists" | "conflict" | "webhook-disabled"
        | "too-many-webhooks" | "too-many-secrets" | "too-many-aliases" => StatusCode::CONFLICT,
        "body-too-large" | "component-too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "over-quota" => StatusCode::TOO_MANY_REQUESTS,
        "unsupported-media-type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-ready"
        | "overloaded"
        | "timeout"
        | "busy"
        | "database-unavailable"
        | "plugin-host-failed"
        | "storage-unavailable"
        | "lease-lost"
        | "draining" => StatusCode::SERVICE_UNAVAILABLE,
        "invalid-input"
        | "invalid-file"
        | "invalid-params"
        | "idempotency-key-reused"
        | "deadline-exceeded"
        | "infeasible-lineup"
        | "constraint-failed"
        | "veto-rate-too-high"
        | "too-few-draws"
        | "no-lineups"
        | "no-player-ids"
        | "unknown-contest"
        | "input-changed"
        | "output-too-large" => StatusCode::UNPROCESSABLE_ENTITY,
        // What a plugin is or did, and what its author or user can change.
        _ if ["component-", "plugin-"].iter().any(|family| code.starts_with(family)) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
