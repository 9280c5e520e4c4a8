/** The cases of rule service-user. */
import { serviceUser } from "../../rules/service-user.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceUser, {
  passes: {
    "another user": service(),
  },
  fails: {
    "root by number": [service({ user: "0:0" }), /user is "0:0"/],
    "the image's user": [service({ user: undefined }), /no user/],
  },
});
