//! The problem answers of the document. Each set is for operations that fail in the same ways; the examples
//! are made by the code that makes the answers.

use http_service::openapi::{Answers, Row, answers, references};
use utoipa::IntoResponses;

use crate::northbound::problems::checksum_mismatch;

/// All problem answers of this API.
pub(in crate::northbound) fn all() -> Answers {
    let mut all = components();
    all.extend(answers(OtherChecksum::NAME, OtherChecksum::rows()));
    all
}

http_service::problem_answers! {
    /// Filters.
    BadFilter {
        BAD_REQUEST: "A parameter is unusable or given more than once.", "the parameter `name` is given more than once" of "name";
    }
    /// Bodies of parameters.
    BodyRejected {
        REQUEST_TIMEOUT: "The JSON body took longer than 30 seconds.", "the JSON body did not come within 30 seconds";
        PAYLOAD_TOO_LARGE: "The JSON body has more than 64 KiB.", "the JSON body is longer than 65536 bytes";
        UNSUPPORTED_MEDIA_TYPE: "The body has a Content-Encoding.", "send the body as it is, without Content-Encoding";
        NOT_IMPLEMENTED: "The body has a Transfer-Encoding other than chunked.", "the only Transfer-Encoding understood here is chunked";
    }
    /// Parameters that the operation must understand.
    BadParameter {
        BAD_REQUEST: "A parameter is missing, unknown, repeated or unusable. Nothing was done.",
            "the parameter `version` is missing" of "version";
    }
    /// One image.
    NoSuchImage {
        NOT_FOUND: "No image has this id.", "no image matches";
    }
    /// What is inside an image.
    NotBrowsed {
        BAD_REQUEST: "A parameter is unusable or given more than once.",
            "the parameter `limit` must be a whole number from 1 to 10000" of "limit";
        NOT_FOUND: "No image has this id, or it has no such folder.",
            "there is no folder 'boot/grub' in the image";
        CONFLICT: "The image is not served: its status is not `OK`.",
            "the image ubuntu 24.04 is not served: downloading iso";
        TOO_MANY_REQUESTS: "A search of the client is running already.",
            "a search of yours is running already, and one client may not take all searches; wait until it has ended";
        SERVICE_UNAVAILABLE: "Others are searching. `Retry-After` says when to come back.",
            "others are searching at this moment; try again later";
    }
    /// A reload of the settings.
    ReloadRefused {
        UNPROCESSABLE_ENTITY: "A setting cannot be used. Nothing changed.",
            "the settings stay as they are: `transferRate` is 5 in the configuration file: expected bytes a second, at least 65536, or 0 for no limit";
    }
    /// The removal of images.
    ImagesInUse {
        NOT_FOUND: "No image matches.", "no image matches";
        CONFLICT: "Another request is working on one of them. None was removed.",
            "the image linux 9 is being worked on by another request; try again when that has ended";
    }
    /// Files that come in. Whatever can be refused before the body is read is refused then; nothing is kept
    /// of what failed.
    FileRejected {
        REQUEST_TIMEOUT: "The body came too slowly, or the request took longer than `httpTimeout`.", "the upload comes too slowly";
        CONFLICT: "The name is taken: a file of that name is used by an image, lies elsewhere, or is just being written.",
            "the ISO linux.iso is used by linux 9";
        PAYLOAD_TOO_LARGE: "The file is larger than `maxFileSize`.",
            "the file is larger than the 274877906944 bytes that `maxFileSize` allows";
        UNPROCESSABLE_ENTITY: "The file is not what it must be: its digest is another, or the checksum file or its signature is no good.",
            "`sha256`: its SHA-256 is 4486…, but 9f86… was expected" of "sha256";
        TOO_MANY_REQUESTS: "The client has half of what there is, of uploads at once, unfinished files, promised space or queued jobs. `Retry-After` says when to come back.",
            "32 files of yours are arriving at this moment, which is all that one client may send at once; wait until one of them has arrived";
        SERVICE_UNAVAILABLE: "Too many files are arriving at this moment, or the service is stopping. `Retry-After` says when to come back.",
            "too many files are arriving at this moment; try again later";
        INSUFFICIENT_STORAGE: "There is not enough space, or the inventory cannot be written.",
            "not enough space in the ISO store: 734003200 bytes are needed, 104857600 bytes are available";
    }
    /// Coded bodies.
    EncodingRejected {
        UNSUPPORTED_MEDIA_TYPE: "The body has a Content-Encoding, or is a form (multipart).", "send the body as it is, without Content-Encoding";
        NOT_IMPLEMENTED: "The body has a Transfer-Encoding other than chunked.", "the only Transfer-Encoding understood here is chunked";
    }
    /// Registrations.
    RegistrationRejected {
        FORBIDDEN: "The service may not read the file that `isolocal` names.", "`isolocal`: the service has no permission to read it" of "isolocal";
        NOT_FOUND: "The source is not there: no such file in the store or on the server, or the web server says so.",
            "`isostore`: the ISO store has no file named linux.iso" of "isostore";
        CONFLICT: "There is an image of that name and version, or the file's name is taken.", "an image linux 9 exists already";
        UNPROCESSABLE_ENTITY: "The file is no image, has another digest, or has no such tree; or the link may not be followed or leads to no file.",
            "`isostore`: not an ISO image, a squashfs or a tar: it begins like none of them" of "isostore";
    }
    /// Conditions.
    ConditionFailed {
        PRECONDITION_FAILED: "It is not the version that `If-Match` names, or there is one although `If-None-Match` says that there must be none. Nothing was done.",
            "it is not the version that If-Match names: it was changed meanwhile; look at it again";
        PRECONDITION_REQUIRED: "The setting `requirePreconditions` wants each change to say which version it is about.",
            "say by If-Match which version this is about, with the ETag of a GET, or by If-None-Match: * that there is none (`requirePreconditions`)";
    }
    /// The removal of a file.
    FileStays {
        NOT_FOUND: "The store has no such file.", "the ISO store has no file named linux.iso";
        CONFLICT: "An image needs it, or another request is working on it.", "the ISO linux.iso is used by linux 9";
    }
    /// One file.
    NoSuchFile {
        NOT_FOUND: "The store has no such file.", "the ISO store has no file named linux.iso";
    }
    /// Changes of records.
    NotRecorded {
        INSUFFICIENT_STORAGE: "The inventory cannot be written. Nothing was changed.",
            "the inventory cannot be written: no space is left";
    }
    /// One job.
    NoSuchJob {
        NOT_FOUND: "No job has this id.", "no job has this id";
    }
    /// Work on a job.
    JobBusy {
        NOT_FOUND: "No job has this id.", "no job has this id";
        CONFLICT: "The end of the job is just being recorded.", "the end of the job is just being recorded; try again";
    }
    /// Another attempt.
    NotRetried {
        NOT_FOUND: "No job has this id.", "no job has this id";
        CONFLICT: "The job is not over, or to begin it again makes no sense.", "the job is running, so it cannot be begun again";
        TOO_MANY_REQUESTS: "The client has half of the downloads that `maxQueuedJobs` allows. `Retry-After` says when to come back.",
            "500 jobs of yours wait or run, half of what `maxQueuedJobs` allows; try again when some have ended";
        SERVICE_UNAVAILABLE: "There are as many downloads as `maxQueuedJobs` allows. `Retry-After` says when to come back.",
            "1000 jobs wait or run, which is all that `maxQueuedJobs` allows; try again when some have ended";
    }
    /// The beginning of an upload.
    NotBegun {
        BAD_REQUEST: "A parameter or a field is missing, unknown or unusable, or the upload is empty.", "the parameter `name` is missing" of "name";
    }
    /// One upload.
    NoSuchUpload {
        NOT_FOUND: "There is no such upload, or no more.", "there is no such upload, or no more";
    }
    /// The protocol.
    OtherVersion {
        PRECONDITION_FAILED: "`Tus-Resumable` names another version than 1.0.0.",
            "say which version of tus this is: `Tus-Resumable: 1.0.0` is the one known";
    }
    /// The removal of an upload.
    UploadBusy {
        CONFLICT: "Another request is bringing bytes for it.",
            "the unfinished file is being worked on by another request; try again when that has ended";
    }
    /// One upload, to which another request appends.
    UploadLocked {
        LOCKED: "Another request is bringing bytes for it. Wait, and ask again how far it has come.",
            "the unfinished file is being worked on by another request; try again when that has ended";
    }
    /// Bytes for an upload.
    BytesRejected {
        BAD_REQUEST: "A field is missing or unusable, or the sizes that were said do not fit each other.", "Upload-Offset is missing";
        REQUEST_TIMEOUT: "The body came too slowly. What came stays.", "the upload comes too slowly";
        CONFLICT: "The bytes do not begin where the upload ends, all of it is there already, or a newer request goes on with it.",
            "the upload has 1048576 bytes; go on from there";
        PAYLOAD_TOO_LARGE: "These are more bytes than were announced, or than `maxFileSize` allows.",
            "these are more bytes than the 734003200 that were announced";
        UNPROCESSABLE_ENTITY: "The whole file has another digest than was said. Nothing of it is kept.",
            "its SHA-256 is 4486…, but 9f86… was expected";
    }
    /// The type of a piece.
    NoPiece {
        UNSUPPORTED_MEDIA_TYPE: "The Content-Type is another one, or the body has a Content-Encoding.",
            "the bytes of a piece have the Content-Type application/offset+octet-stream";
        NOT_IMPLEMENTED: "The body has a Transfer-Encoding other than chunked.", "the only Transfer-Encoding understood here is chunked";
    }
    /// Listeners.
    SubscriptionRejected {
        BAD_REQUEST: "`types` holds a word that is not known.", "the parameter `types` holds 'disk'; there are image, job, file" of "types";
        TOO_MANY_REQUESTS: "The client has half of the streams that there may be. `Retry-After` says when to come back.",
            "you are being told of changes 64 times already, which is all that one client may be; end one of these streams first";
        SERVICE_UNAVAILABLE: "Too many clients are listening already, or the service is stopping.",
            "128 clients are being told of changes already; try again later";
    }
}

/// Bytes that do not have the checksum that the client announced. Only tus has a status for them.
pub(in crate::northbound) struct OtherChecksum;

impl OtherChecksum {
    const NAME: &str = "OtherChecksum";

    fn rows() -> Vec<Row> {
        let when = "The bytes do not have the checksum that `Upload-Checksum` says. None of them were kept; send them again.";
        vec![Row { when, problem: checksum_mismatch() }]
    }
}

impl IntoResponses for OtherChecksum {
    fn responses() -> Answers {
        references(Self::NAME, &Self::rows())
    }
}
