/** A violated guarantee: which checker saw it, on which file, in one line. */
export interface Finding {
  checker: string;
  fileId?: string;
  message: string;
}
