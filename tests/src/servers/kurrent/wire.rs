//! The messages of shared.proto, streams.proto and serverfeatures.proto that the archive's client
//! exchanges with a server, written by hand: there is no protoc. The client brings its own, so a
//! wrong number here is found by every test.

use std::collections::HashMap;

use bytes::Bytes;

#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(super) struct Uuid {
    #[prost(oneof = "uuid::Value", tags = "1, 2")]
    pub(super) value: Option<uuid::Value>,
}

pub(super) mod uuid {
    #[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
    pub(in super::super) enum Value {
        #[prost(message, tag = "1")]
        Structured(Structured),
        #[prost(string, tag = "2")]
        String(String),
    }

    #[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
    pub(in super::super) struct Structured {
        #[prost(int64, tag = "1")]
        pub(in super::super) most_significant_bits: i64,
        #[prost(int64, tag = "2")]
        pub(in super::super) least_significant_bits: i64,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StreamIdentifier {
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) stream_name: Bytes,
}

// --- Append -------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AppendReq {
    #[prost(oneof = "append_req::Content", tags = "1, 2")]
    pub(super) content: Option<append_req::Content>,
}

pub(super) mod append_req {
    use super::{Bytes, Empty, HashMap, StreamIdentifier, Uuid};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Content {
        #[prost(message, tag = "1")]
        Options(Options),
        #[prost(message, tag = "2")]
        Proposed(Proposed),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct Options {
        #[prost(message, optional, tag = "1")]
        pub(in super::super) stream: Option<StreamIdentifier>,
        #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
        pub(in super::super) expected: Option<Expected>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub(in super::super) enum Expected {
        #[prost(uint64, tag = "2")]
        Revision(u64),
        #[prost(message, tag = "3")]
        NoStream(Empty),
        #[prost(message, tag = "4")]
        Any(Empty),
        #[prost(message, tag = "5")]
        StreamExists(Empty),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct Proposed {
        #[prost(message, optional, tag = "1")]
        pub(in super::super) id: Option<Uuid>,
        #[prost(map = "string, string", tag = "2")]
        pub(in super::super) metadata: HashMap<String, String>,
        #[prost(bytes = "bytes", tag = "3")]
        pub(in super::super) custom_metadata: Bytes,
        #[prost(bytes = "bytes", tag = "4")]
        pub(in super::super) data: Bytes,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AppendResp {
    #[prost(oneof = "append_resp::Outcome", tags = "1, 2")]
    pub(super) outcome: Option<append_resp::Outcome>,
}

pub(super) mod append_resp {
    use super::Empty;

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Outcome {
        #[prost(message, tag = "1")]
        Success(Success),
        #[prost(message, tag = "2")]
        WrongExpectedVersion(WrongExpectedVersion),
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(in super::super) struct Success {
        #[prost(uint64, optional, tag = "1")]
        pub(in super::super) current_revision: Option<u64>,
        #[prost(message, optional, tag = "4")]
        pub(in super::super) no_position: Option<Empty>,
    }

    /// Of each pair, one is set.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(in super::super) struct WrongExpectedVersion {
        #[prost(uint64, optional, tag = "6")]
        pub(in super::super) current: Option<u64>,
        #[prost(message, optional, tag = "7")]
        pub(in super::super) current_no_stream: Option<Empty>,
        #[prost(uint64, optional, tag = "8")]
        pub(in super::super) expected: Option<u64>,
        #[prost(message, optional, tag = "11")]
        pub(in super::super) expected_no_stream: Option<Empty>,
    }
}

// --- Read ---------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadReq {
    #[prost(message, optional, tag = "1")]
    pub(super) options: Option<read_req::Options>,
}

pub(super) mod read_req {
    use super::{Empty, StreamIdentifier};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct Options {
        /// Without it everything is asked for, which the archive never does.
        #[prost(message, optional, tag = "1")]
        pub(in super::super) stream: Option<Stream>,
        /// 0 forwards, 1 backwards.
        #[prost(int32, tag = "3")]
        pub(in super::super) direction: i32,
        /// Without it a subscription is asked for, which the archive never does.
        #[prost(uint64, optional, tag = "5")]
        pub(in super::super) count: Option<u64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct Stream {
        #[prost(message, optional, tag = "1")]
        pub(in super::super) identifier: Option<StreamIdentifier>,
        #[prost(oneof = "From", tags = "2, 3, 4")]
        pub(in super::super) from: Option<From>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub(in super::super) enum From {
        #[prost(uint64, tag = "2")]
        Revision(u64),
        #[prost(message, tag = "3")]
        Start(Empty),
        #[prost(message, tag = "4")]
        End(Empty),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadResp {
    #[prost(oneof = "read_resp::Content", tags = "1, 4, 6")]
    pub(super) content: Option<read_resp::Content>,
}

pub(super) mod read_resp {
    use super::{Bytes, Empty, HashMap, StreamIdentifier, Uuid};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Content {
        #[prost(message, tag = "1")]
        Event(Event),
        #[prost(message, tag = "4")]
        StreamNotFound(NotFound),
        #[prost(uint64, tag = "6")]
        LastStreamPosition(u64),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct Event {
        #[prost(message, optional, tag = "1")]
        pub(in super::super) event: Option<Recorded>,
        #[prost(message, optional, tag = "4")]
        pub(in super::super) no_position: Option<Empty>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct Recorded {
        #[prost(message, optional, tag = "1")]
        pub(in super::super) id: Option<Uuid>,
        #[prost(message, optional, tag = "2")]
        pub(in super::super) stream: Option<StreamIdentifier>,
        #[prost(uint64, tag = "3")]
        pub(in super::super) stream_revision: u64,
        #[prost(map = "string, string", tag = "6")]
        pub(in super::super) metadata: HashMap<String, String>,
        #[prost(bytes = "bytes", tag = "7")]
        pub(in super::super) custom_metadata: Bytes,
        #[prost(bytes = "bytes", tag = "8")]
        pub(in super::super) data: Bytes,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(in super::super) struct NotFound {
        #[prost(message, optional, tag = "1")]
        pub(in super::super) stream: Option<StreamIdentifier>,
    }
}

// --- Server features ----------------------------------------------------------------------------

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SupportedMethods {
    #[prost(message, repeated, tag = "1")]
    pub(super) methods: Vec<SupportedMethod>,
    #[prost(string, tag = "2")]
    pub(super) server_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SupportedMethod {
    #[prost(string, tag = "1")]
    pub(super) method_name: String,
    #[prost(string, tag = "2")]
    pub(super) service_name: String,
}
