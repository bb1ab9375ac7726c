// The generated code, from one place.
export * from "../../../generated/typescript/msc_policy/v1/fleet_pb.js";
export * from "../../../generated/typescript/msc_policy/v1/policy_authority_pb.js";
export * from "../../../generated/typescript/msc_policy/v1/policy_pb.js";
