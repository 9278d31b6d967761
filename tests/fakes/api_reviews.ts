/**
 * SelfSubjectAccessReview: who asks may do all but what nobody may.
 *
 * @module
 */

export const ACCESS_REVIEWS =
  "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

interface Review {
  readonly spec: {
    readonly resourceAttributes: {
      readonly verb: string;
      readonly resource: string;
      readonly subresource?: string;
    };
  };
}

export function reviewed(review: Review, denied: readonly string[]): unknown {
  const { verb, resource, subresource } = review.spec.resourceAttributes;
  const what = subresource === undefined
    ? resource
    : `${resource}/${subresource}`;
  const allowed = !denied.includes(`${verb} ${what}`);
  return { ...review, status: { allowed } };
}
