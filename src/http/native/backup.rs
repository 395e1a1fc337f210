//! `POST /backup`: a snapshot of the store as it is, streamed. The daemon keeps nothing of it.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use tokio::io::AsyncReadExt;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::{Kind, Trouble, ops::backup},
    http::{ApiState, Asker, Problem, problem::Answer},
};

/// Bytes of one part of the stream.
const PART: usize = 128 << 10;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create_backup))
}

/// Makes a snapshot of the store. It holds no master key.
#[utoipa::path(
    post,
    path = "/backup",
    tag = "daemon",
    responses(
        (status = 200, description = "SQLite's file", content_type = "application/vnd.sqlite3"),
        (status = "default", body = Problem),
    ),
)]
async fn create_backup(State(api): State<ApiState>, asker: Asker) -> Answer<Response> {
    let file = tokio::fs::File::from_std(backup::create(&api.engine, asker.actor).await?);
    let length = file.metadata().await.map_err(|error| {
        let mut trouble =
            Trouble::new(Kind::Unavailable, "backup-unreadable", "the snapshot has no length", "try again");
        trouble.source = Some(Box::new(error));
        trouble
    })?;
    let parts = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut part = vec![0; PART];
        let read = file.read(&mut part).await?;
        part.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(part), file)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.sqlite3".to_owned()),
        (header::CONTENT_LENGTH, length.len().to_string()),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}
