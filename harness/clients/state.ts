import type { RegistryFile, SearchHit } from '../contract/http.ts';
import type { FileState } from '../record/history.ts';

/** A registry entry in the form that checkers compare. */
export function stateOfRegistryFile(file: RegistryFile): FileState {
  return {
    fileId: file.file_id,
    filename: file.original_filename,
    storageFilename: file.storage_filename,
    fileSize: file.file_size,
    checksum: file.checksum_sha256,
    contentType: file.content_type,
    description: file.description,
    tags: file.tags,
    uploadedBy: file.uploaded_by,
    createdAt: file.created_at,
    updatedAt: file.updated_at,
    storageElementId: file.storage_element_id,
    ...(file.version === undefined ? {} : { version: file.version }),
  };
}

/** A search result in the form that checkers compare. */
export function stateOfHit(hit: SearchHit & { version?: unknown }): FileState {
  return {
    fileId: hit.id,
    filename: hit.filename,
    storageFilename: hit.storage_filename,
    fileSize: hit.file_size,
    checksum: hit.sha256_hash,
    contentType: hit.mime_type,
    description: hit.description,
    tags: hit.tags,
    uploadedBy: hit.username,
    createdAt: hit.created_at,
    updatedAt: hit.updated_at,
    storageElementId: hit.storage_element_id,
  };
}
