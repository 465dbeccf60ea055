/** Waits for all, also when one fails, so that nothing goes on in the background; then throws the first error if any. */
export async function allOrFirstError<T extends readonly unknown[]>(
  promises: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  let failed = false;
  let first: unknown;
  const settled = await Promise.allSettled(
    promises.map((promise) =>
      promise.catch((error: unknown) => {
        if (!failed) first = error;
        failed = true;
        throw error;
      }),
    ),
  );
  if (failed) throw first;
  return settled.map((result) => (result.status === 'fulfilled' ? result.value : undefined)) as unknown as T;
}
