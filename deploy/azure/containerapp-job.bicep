// not run by us: written from Microsoft's documentation, neither compiled nor deployed.
//
// A job of Azure Container Apps that imports and syncs every hour. Its identity is managed by Azure and may do two
// things: read and write blobs in one container, and unwrap with one key of Key Vault, which opens the library
// (safelight key add --key-vault KEY). There is no secret in it. safelight remote add nas azure://ACCOUNT/CONTAINER takes the
// same identity. The library's folder lies on a storage of the environment: an NFS share. Its databases do not belong on SMB.
//
//   az deployment group create --resource-group GROUP --template-file containerapp-job.bicep --parameters ...
param location string = resourceGroup().location
@description('The image, as deploy/container builds it')
param image string
@description('The storage account, in this resource group')
param storageAccountName string
@description('The container of the account that the library is synced to')
param containerName string
@description('The vault with the key that opens the library, in this resource group')
param vaultName string
@description('The key in it: RSA')
param keyName string = 'safelight'
@description('The environment of Container Apps, in this resource group')
param environmentName string
@description('The NFS storage of that environment, with the folder of the library')
param libraryStorageName string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'safelight'
  location: location
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: containerName
}

// Storage Blob Data Contributor, on this container and nothing else.
resource mayWriteBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, identity.id, 'blobs')
  scope: container
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource key 'Microsoft.KeyVault/vaults/keys@2023-07-01' existing = {
  parent: vault
  name: keyName
}

// Key Vault Crypto User, on this key and nothing else.
resource mayUnwrap 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(key.id, identity.id, 'key')
  scope: key
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '12338af0-0e69-4776-bea7-57ae8d297424')
  }
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' existing = {
  name: environmentName
}

resource job 'Microsoft.App/jobs@2024-03-01' = {
  name: 'safelight-sync'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  dependsOn: [mayWriteBlobs, mayUnwrap]
  properties: {
    environmentId: environment.id
    configuration: {
      triggerType: 'Schedule'
      // Seconds, below the hour between two starts: a run that lasted longer would have a second machine open the same databases
      // over NFS beside it. What is stopped goes on where it was with the next run.
      replicaTimeout: 3300
      replicaRetryLimit: 0
      scheduleTriggerConfig: {
        cronExpression: '0 * * * *'
        parallelism: 1
        replicaCompletionCount: 1
      }
    }
    template: {
      containers: [
        {
          name: 'safelight'
          image: image
          args: ['sync', '--import']
          env: [
            { name: 'SAFELIGHT_LIBRARY', value: '/data/library' }
            { name: 'SAFELIGHT_VAULT', value: 'https://${vaultName}${az.environment().suffixes.keyvaultDns}/keys/${keyName}' }
            { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          volumeMounts: [
            { volumeName: 'library', mountPath: '/data' }
          ]
        }
      ]
      volumes: [
        { name: 'library', storageType: 'NfsAzureFile', storageName: libraryStorageName }
      ]
    }
  }
}
