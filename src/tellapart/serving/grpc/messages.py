"""The messages of the Open Inference Protocol's gRPC service, and those of gRPC's health check.

They are described here, as a .proto file would, and made when this module is imported: no code
generator, and no files of its that fit only some versions of protobuf. They live in a pool of
their own, so that a client library in the same process may bring the same names.

Sources: the Open Inference Protocol's `GRPCInferenceService` (version 2) and gRPC's
`grpc.health.v1.Health`.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"

_CONTENTS = """
repeated bool bool_contents = 1; repeated int32 int_contents = 2;
repeated int64 int64_contents = 3; repeated uint32 uint_contents = 4;
repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6;
repeated double fp64_contents = 7; repeated bytes bytes_contents = 8
"""
_PARAMETERS = "map<string, InferParameter> parameters = {}"
_TENSOR = (
    "string name = 1; string datatype = 2; repeated int64 shape = 3; "
    + _PARAMETERS.format(4)
    + "; InferTensorContents contents = 5"
)
_NAMED = "string name = 1; string version = 2"
_INFERENCE = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live = 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready = 1",
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": "bool ready = 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": f"{_NAMED}; repeated string extensions = 3",
    "ModelMetadataRequest": _NAMED,
    "ModelMetadataResponse": "string name = 1; repeated string versions = 2; string platform = 3; "
    "repeated TensorMetadata inputs = 4; repeated TensorMetadata outputs = 5",
    "ModelMetadataResponse.TensorMetadata": "string name = 1; string datatype = 2; "
    "repeated int64 shape = 3",
    # A value of one kind at a time: protobuf's `oneof`.
    "InferParameter": "one bool bool_param = 1; one int64 int64_param = 2; "
    "one string string_param = 3; one double double_param = 4; one uint64 uint64_param = 5",
    "InferTensorContents": _CONTENTS,
    "ModelInferRequest": "string model_name = 1; string model_version = 2; string id = 3; "
    f"{_PARAMETERS.format(4)}; repeated InferInputTensor inputs = 5; "
    "repeated InferRequestedOutputTensor outputs = 6; repeated bytes raw_input_contents = 7",
    "ModelInferRequest.InferInputTensor": _TENSOR,
    "ModelInferRequest.InferRequestedOutputTensor": "string name = 1; " + _PARAMETERS.format(2),
    "ModelInferResponse": "string model_name = 1; string model_version = 2; string id = 3; "
    f"{_PARAMETERS.format(4)}; repeated InferOutputTensor outputs = 5; "
    "repeated bytes raw_output_contents = 6",
    "ModelInferResponse.InferOutputTensor": _TENSOR,
    "RepositoryIndexRequest": "string repository_name = 1; bool ready = 2",
    "RepositoryIndexResponse": "repeated ModelIndex models = 1",
    "RepositoryIndexResponse.ModelIndex": f"{_NAMED}; string state = 3; string reason = 4",
}
#: `status` is an enumeration there, which travels as the same number.
_HEALTH_CHECK = {
    "HealthCheckRequest": "string service = 1",
    "HealthCheckResponse": "int32 status = 1",
}
_FIELD = re.compile(r"(?:(repeated|one) )?([\w.]+|map<string, \w+>) (\w+) = (\d+)")
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}


def _made(package: str, described: dict[str, str]) -> dict[str, Any]:
    """Message classes by name, out of their descriptions."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tellapart/{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in described.items():
        outer, _, inner = name.rpartition(".")
        home = file
        if outer:
            home = next(one for one in file.message_type if one.name == outer).nested_type
            made = home.add(name=inner)
        else:
            made = file.message_type.add(name=name)
        for part in filter(None, (text.strip() for text in fields.split(";"))):
            _add(made, f"{package}.{name}", " ".join(part.split()), described, package)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in described
    }


def _add(made: Any, full: str, text: str, described: dict[str, str], package: str) -> None:
    found = _FIELD.fullmatch(text)
    if found is None:
        raise ValueError(text)
    rule, kind, name, number = found.groups()
    field = made.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if rule == "one":
        if not made.oneof_decl:
            made.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if rule == "repeated" or kind.startswith("map<"):
        field.label = _Field.LABEL_REPEATED
    if kind in _TYPES:
        field.type = _TYPES[kind]
        return
    field.type = _Field.TYPE_MESSAGE
    if kind.startswith("map<"):
        # On the wire a map is a list of entries.
        entry = made.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        value = kind[len("map<string, ") : -1]
        _add(entry, f"{full}.{entry.name}", "string key = 1", described, package)
        _add(entry, f"{full}.{entry.name}", f"{value} value = 2", described, package)
        field.type_name = f".{full}.{entry.name}"
    else:
        inside = f"{full.removeprefix(package + '.')}.{kind}"
        field.type_name = f".{package}.{inside if inside in described else kind}"


#: Message classes by name, such as `ModelInferRequest` or `ModelInferRequest.InferInputTensor`.
INFERENCE = _made(PACKAGE, _INFERENCE)
HEALTH_CHECK = _made("grpc.health.v1", _HEALTH_CHECK)
#: The service's methods; `NAME` takes a `NAMERequest` and gives a `NAMEResponse`.
METHODS = tuple(name.removesuffix("Request") for name in _INFERENCE if name.endswith("Request"))
