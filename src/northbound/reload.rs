//! `POST /reload`: takes changed settings over.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use http_service::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Northbound;
use super::api_types::problems::ReloadRefused;

/// What a reload of the settings changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reload {
    /// The settings that are in use from now on.
    changed: Vec<String>,
    /// The settings that differ from those in use and need a restart.
    needs_restart: Vec<String>,
}

/// Reload the settings.
///
/// Reads the configuration file again and takes over what can change while the service runs, as SIGHUP does.
/// Nothing changes if a setting cannot be used.
#[utoipa::path(
    post, path = "/reload", tag = "service", operation_id = "reload",
    responses(
        (
            status = 200, description = "What changed.", body = Reload,
            example = json!({"changed": ["transferRate"], "needsRestart": ["isoDir"]}),
        ),
        ReloadRefused,
    ),
)]
pub(super) async fn reload(State(api): State<Northbound>) -> Result<Json<Reload>, Problem> {
    let reloaded = api.process.reloader.reload().await;
    let reloaded =
        reloaded.map_err(|refused| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refused.to_string()))?;
    Ok(Json(Reload { changed: reloaded.changed, needs_restart: reloaded.needs_restart }))
}
